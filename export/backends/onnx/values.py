"""The values within an ONNX graph: its constants, and what a run of it leaves between its nodes."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor

from export.core.methods import Method

EXACT_PRODUCTS = ("session.x64quantprecision", "1")
"""Keeps ONNX Runtime from kernels whose 16-bit sums overflow on x86 without VNNI."""


class Graph:
    """A graph's nodes by what they make and read, and its constants."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.constants = {item.name: numpy_helper.to_array(item) for item in model.graph.initializer}
        self._makers = {name: node for node in model.graph.node for name in node.output}
        self._readers: dict[str, list[onnx.NodeProto]] = {}
        for node in model.graph.node:
            for name in node.input:
                self._readers.setdefault(name, []).append(node)

    def maker(self, name: str, operator: str) -> onnx.NodeProto | None:
        """Return the node that makes a value, if it is of an operator."""
        node = self._makers.get(name)
        return node if node is not None and node.op_type == operator else None

    def reader(self, name: str, operator: str) -> onnx.NodeProto | None:
        """Return the first node that reads a value, if one is of an operator."""
        return next((node for node in self._readers.get(name, ()) if node.op_type == operator), None)

    def tensor(self, name: str) -> Tensor:
        """Return a constant; of 4 bits, which PyTorch has not, as int8."""
        array = self.constants[name]
        return torch.from_numpy(np.array(array, dtype=np.int8 if array.dtype.name == "int4" else None))

    def other(self, node: onnx.NodeProto, name: str) -> str:
        """Return a node's first input that is a constant, "" if it has none; `name` is the one to pass over."""
        return next((given for given in node.input if given != name and given in self.constants), "")


def opened(model: onnx.ModelProto, names: Sequence[str]) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """Open a graph, and return what runs it on inputs by name and gives some of its values, inputs too."""
    import onnxruntime

    given = {item.name for item in model.graph.input}
    made = [name for name in names if name not in given]
    if not made:  # to a session, no names are all of them
        return lambda inputs: {name: inputs[name] for name in names}
    opened = onnx.ModelProto()
    opened.CopyFrom(model)
    final = {item.name for item in model.graph.output}
    opened.graph.output.extend(onnx.ValueInfoProto(name=name) for name in made if name not in final)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.add_session_config_entry(*EXACT_PRODUCTS)
    session = onnxruntime.InferenceSession(opened.SerializeToString(), options, providers=["CPUExecutionProvider"])

    def run(inputs: Mapping[str, Any]) -> dict[str, Any]:
        found = {**inputs, **dict(zip(made, session.run(made, dict(inputs)), strict=True))}
        return {name: found[name] for name in names}

    return run


def seen(
    model: onnx.ModelProto, names: Sequence[str], samples: Iterable[Mapping[str, Any]]
) -> Iterator[tuple[str, Any]]:
    """Run a graph on one sample after another, and yield what some of its values are, by name."""
    run = opened(model, names)
    for sample in samples:
        yield from run(sample).items()


def watch(model: onnx.ModelProto, names: Sequence[str], method: Method) -> dict[str, Tensor]:
    """Run a graph on a method's example and return values by name, inputs too."""
    inputs = {name: tensor.numpy() for name, tensor in method.inputs.items()}
    return {name: torch.from_numpy(np.array(array)) for name, array in seen(model, names, [inputs])}
