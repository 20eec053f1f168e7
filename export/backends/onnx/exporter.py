"""Methods to graphs for ONNX Runtime: one file, or a folder of them."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path

import onnx

from export.backends.onnx.arithmetic import integer_layers
from export.backends.onnx.convert import onnx_graph
from export.backends.onnx.format import FORMAT
from export.backends.onnx.program import write_graph, write_package
from export.backends.onnx.quantize import calibration_samples, layers, quantize
from export.backends.onnx.rules import RULES
from export.core.exporter import Built, LayerOutput
from export.core.integers import Integers
from export.core.methods import Method
from export.core.precision import Decision, Kind
from export.core.recipe import Recipe
from minivlm.console import Steps

PROJECT = "minivlm-edge"


class OnnxExporter:
    """Implements `export.core.exporter.Exporter`."""

    format = FORMAT
    rules = RULES

    def build(self, methods: Sequence[Method], recipe: Recipe, path: Path, steps: Steps) -> Built:
        """See `Exporter`."""
        with steps.step("trace with torch.onnx"):
            traced = "fp16" if recipe.precision == "fp16" else "fp32"
            graphs = {method.name: onnx_graph(method, traced) for method in methods}
        decided: dict[str, list[Decision]] = {}
        if recipe.integers:
            with steps.step("quantize"):
                for method in methods:
                    graphs[method.name], decided[method.name] = quantize(graphs[method.name], method, recipe)
        model_name = path.stem.partition(f"-{self.format.runtime}-{recipe.precision}")[0]
        for name, graph in graphs.items():
            describe(graph, model=model_name, precision=recipe.precision, method=name)
        with steps.step("write the artifact"):
            if path.suffix == f".{self.format.whole_suffix}":
                write_package(graphs, path)
            else:
                (only,) = graphs.values()
                write_graph(only, path)
        # Every operator runs in ONNX Runtime: it has no other place to leave them to.
        return Built(
            dict.fromkeys(graphs, 1.0),
            [decision for made in decided.values() for decision in made],
            integers=partial(integers, path, recipe, decided) if recipe.integers else None,
        )

    def layers(self, method: Method, recipe: Recipe) -> Iterator[LayerOutput]:
        """See `Exporter`."""
        return layers(onnx_graph(method), method, recipe)


def integers(path: Path, recipe: Recipe, decided: Mapping[str, Sequence[Decision]], method: Method) -> Integers:
    """Return the whole numbers of a method in a finished artifact; see `Built`.

    Args:
        path: The artifact.
        recipe: By which it was made.
        decided: By method.
        method: Of the artifact.
    """
    graph = onnx.load(path / f"{method.name}.onnx" if path.is_dir() else path)
    samples = calibration_samples(method, recipe) if method.detector else []
    return Integers(decided[method.name], integer_layers(graph, method, samples), one_scale=(Kind.EMBEDDING,))


def describe(graph: onnx.ModelProto, **facts: str) -> None:
    """Note in a file what it holds and what made it, so that it can be told without its sidecar."""
    graph.producer_name, graph.producer_version = PROJECT, version(PROJECT)
    onnx.helper.set_model_props(graph, facts)
