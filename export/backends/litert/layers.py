"""Where in a quantized model the error grows: every tensor of both models, side by side."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from export.backends.litert.graph import graphs, module_of, only, packed, parsed, tensor_name
from export.core.exporter import LayerOutput
from export.core.methods import Method
from minivlm.quiet import quiet


def layers(exact: bytes, quantized: bytes, method: Method) -> Iterator[LayerOutput]:
    """Yield what each module's operators compute in both models, in the order of execution."""
    expected = dict(tensors(exact, method))
    for name, given in tensors(quantized, method):
        if name in expected:
            yield LayerOutput(module_of(name), expected[name], given)


def tensors(content: bytes, method: Method) -> Iterator[tuple[str, Tensor]]:
    """Run a method on its example and yield, in order of execution, what its modules' operators compute, as floats."""
    from ai_edge_litert.interpreter import Interpreter

    model = parsed(content)
    signature = next(item for item in model.signatureDefs if item.signatureKey.decode() == method.name)
    graph = dict(graphs(model))[method.name]
    with quiet():
        interpreter = Interpreter(
            model_content=packed(only(model, graph)), experimental_preserve_all_tensors=True, num_threads=1
        )
        interpreter.allocate_tensors()
    details = {item["index"]: item for item in interpreter.get_tensor_details()}
    for item in signature.inputs:
        value = method.inputs[item.name.decode()].numpy()
        interpreter.set_tensor(item.tensorIndex, value.astype(details[item.tensorIndex]["dtype"]))
    interpreter.invoke()
    for operator in graph.operators:
        for index in operator.outputs:
            value = interpreter.get_tensor(index)
            if module_of(tensor_name(graph, index)) and value.dtype in (np.float32, np.int8):
                yield tensor_name(graph, index), torch.from_numpy(_as_float(value, details[index]))


def _as_float(value: Any, detail: dict[str, Any]) -> Any:
    scale, zero = detail["quantization"]
    return (value.astype(np.float32) - zero) * np.float32(scale) if value.dtype == np.int8 else value
