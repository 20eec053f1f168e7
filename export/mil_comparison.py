"""Two programs of one method, layer by layer: where does the quantized one go wrong?"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from torch import Tensor

from export.bounds import LAYER_SQNR
from export.coreml_conversion import layer_of
from export.methods import Method
from export.mil_executor import MilFunction, read_functions
from export.parity import sqnr

LAYERS = ("conv", "linear")
"""Operators whose outputs are compared."""


def layer_outputs(function: Any, method: Method) -> Iterator[tuple[str, Tensor]]:
    """Yield each layer's dotted name and output on the method's example, in the order of the program."""
    outputs: list[tuple[str, Tensor]] = []

    def watch(operation: Any, result: Tensor) -> None:
        if operation.op_type in LAYERS:
            outputs.append((layer_of(operation.outputs[0].name), result))

    MilFunction(function).run(method.inputs, watch)
    yield from outputs


def layer_ratios(exact: Path, quantized: Path, method: Method) -> dict[str, float]:
    """Return the signal-to-noise ratio in dB of every layer that both packages' "main" have, in order."""
    first, second = (dict(layer_outputs(read_functions(package)["main"], method)) for package in (exact, quantized))
    return {
        layer: sqnr(output, second[layer])
        for layer, output in first.items()
        if layer in second and method.keeps_places(layer)
    }


def weakest_layer(exact: Path, quantized: Path, method: Method) -> str | None:
    """Name the first layer that falls below `LAYER_SQNR`, or None."""
    ratios = layer_ratios(exact, quantized, method)
    return next((layer for layer, ratio in ratios.items() if not ratio >= LAYER_SQNR), None)
