"""Methods to one file for LiteRT, a signature each."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from export.backends.litert.convert import convert
from export.backends.litert.format import FORMAT
from export.backends.litert.graph import delegated_shares
from export.backends.litert.layers import layers
from export.backends.litert.quantize import quantize
from export.backends.litert.rules import RULES
from export.core.exporter import Built, LayerOutput
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
        return Built(delegated, decided)

    def layers(self, method: Method, recipe: Recipe) -> Iterator[LayerOutput]:
        """See `Exporter`."""
        return layers(self._converted, self._stored, method)
