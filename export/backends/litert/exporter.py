"""Methods to one file for LiteRT, a signature each."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from export.backends.litert.arithmetic import integer_layers
from export.backends.litert.convert import convert
from export.backends.litert.format import FORMAT
from export.backends.litert.graph import delegated_shares, parsed
from export.backends.litert.layers import layers
from export.backends.litert.quantize import decisions, operators, quantize
from export.backends.litert.rules import RULES
from export.core.exporter import Built, LayerOutput
from export.core.integers import Integers
from export.core.methods import Method
from export.core.precision import Decision
from export.core.recipe import Recipe
from minivlm.console import Steps


class LiteRTExporter:
    """Implements `export.core.exporter.Exporter`."""

    format = FORMAT
    rules = RULES

    def __init__(self) -> None:
        self._converted = self._stored = b""  # before and after quantization, for `layers`

    def build(self, methods: Sequence[Method], recipe: Recipe, path: Path, steps: Steps) -> Built:
        """See `Exporter`."""
        with steps.step("convert with litert-torch"):
            self._converted = self._stored = convert(methods)
        decided: list[Decision] = []
        if recipe.precision != "fp32":
            with steps.step("quantize with ai-edge-quantizer"):
                self._stored, decided = quantize(self._converted, methods, recipe)
        with steps.step("write the file"):
            path.write_bytes(self._stored)
            delegated = delegated_shares(self._stored)
        told = partial(integers, path, self._converted, recipe) if recipe.integers else None
        return Built(delegated, decided, integers=told)

    def layers(self, method: Method, recipe: Recipe) -> Iterator[LayerOutput]:
        """See `Exporter`."""
        return layers(self._converted, self._stored, method)


def integers(path: Path, converted: bytes, recipe: Recipe, method: Method) -> Integers:
    """Return the whole numbers of a method in a finished artifact; see `Built`.

    Args:
        path: The artifact.
        converted: The model before anything was rounded, which tells what was decided about.
        recipe: By which it was made.
        method: Of the artifact.
    """
    found = parsed(path.read_bytes())
    return Integers(decisions(operators(converted, method.name), recipe), integer_layers(found, method))
