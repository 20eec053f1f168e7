"""Two programs of one method, layer by layer: where does the quantized one go wrong?"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from torch import Tensor

from export.backends.coreml.convert import layer_of
from export.core.exporter import LayerOutput
from export.core.methods import Method
from export.mil.executor import MilFunction, read_functions

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


def layers(exact: Path, quantized: Path, method: Method) -> Iterator[LayerOutput]:
    """Yield what each layer that both packages' "main" have computes, in the order of execution."""
    first, second = (dict(layer_outputs(read_functions(package)["main"], method)) for package in (exact, quantized))
    for layer, output in first.items():
        if layer in second:
            yield LayerOutput(layer, output, second[layer])
