"""Methods to one package for Core ML, a function each."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from export.backends.coreml.arithmetic import integer_layers
from export.backends.coreml.convert import convert, join, save
from export.backends.coreml.format import FORMAT
from export.backends.coreml.layers import layers
from export.backends.coreml.quantize import quantize
from export.backends.coreml.rules import RULES
from export.core.exporter import Built, LayerOutput
from export.core.integers import Integers
from export.core.methods import Method
from export.core.precision import Decision
from export.core.recipe import Recipe
from export.mil.executor import read_functions
from minivlm.console import Steps


class CoreMLExporter:
    """Implements `export.core.exporter.Exporter`."""

    format = FORMAT
    rules = RULES

    def build(self, methods: Sequence[Method], recipe: Recipe, path: Path, steps: Steps) -> Built:
        """See `Exporter`."""
        decided: dict[str, list[Decision]] = {}
        with TemporaryDirectory() as folder:
            packages = {method.name: Path(folder, f"{method.name}.mlpackage") for method in methods}
            for method in methods:
                with steps.step(f"convert {method.name}"):
                    model = convert(method, "fp32" if recipe.precision == "fp32" else "fp16")
                if recipe.integers:
                    with steps.step(f"quantize {method.name}"):
                        model, decided[method.name] = quantize(model, method, recipe)
                with steps.step(f"write {method.name}"):
                    save(model, packages[method.name])
            with steps.step("join the functions"):
                join(packages, path)
        return Built(
            {method.name: 1.0 for method in methods},
            [decision for made in decided.values() for decision in made],
            integers=partial(integers, path, decided) if recipe.integers else None,
        )

    def layers(self, method: Method, recipe: Recipe) -> Iterator[LayerOutput]:
        """See `Exporter`."""
        with TemporaryDirectory() as folder:
            exact, quantized = Path(folder, "exact.mlpackage"), Path(folder, "int8.mlpackage")
            save(convert(method, "fp32"), exact)
            save(quantize(convert(method, "fp16"), method, recipe)[0], quantized)
            yield from layers(exact, quantized, method)


def integers(path: Path, decided: Mapping[str, Sequence[Decision]], method: Method) -> Integers:
    """Return the whole numbers of a method in a finished artifact; see `Built`.

    Args:
        path: The package.
        decided: By method.
        method: Of the package.
    """
    return Integers(decided[method.name], integer_layers(read_functions(path)[method.name], method))
