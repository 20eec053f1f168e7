"""A method as one ONNX graph, in operators that ONNX Runtime has fast kernels for."""

import ast
from collections import Counter
from typing import Any

import onnx
import torch
from torch import Tensor, nn

from export.core.methods import Method
from export.rewrites.half import computing_half
from export.rewrites.modules import prepared, replace_nms
from minivlm.ops import NMS, unrolled

OPSET = 20


class NativeNMS(nn.Module):
    """`minivlm.ops.NMS` by ONNX NonMaxSuppression: the same rows in the same order.

    ONNX Runtime's kernel is greedy, compares IoU by "greater than" and takes the first of equal scores. It differs on
    boxes with swapped corners only, which it turns over; decoding and clipping make none. The written-out form takes
    31 ms of 155 in a whole detector, most of it for the IoU of all pairs; this one 0.4.
    """

    def __init__(self, replaced: NMS) -> None:
        super().__init__()
        self.max_output = replaced.max_output
        self.iou_threshold = replaced.iou_threshold

    def forward(self, boxes: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
        """See `minivlm.ops.nms`."""
        limits = torch.tensor([self.max_output]), torch.tensor([self.iou_threshold]), torch.tensor([float("-inf")])
        selected = torch.onnx.ops.symbolic(  # (kept, 3), fewer rows than its shape here says once no box is left
            "NonMaxSuppression",
            [boxes[None], scores[None, None], *limits],
            dtype=torch.int64,
            shape=(self.max_output, 3),
            version=OPSET,
        )
        filled = torch.cat([selected[:, 2], torch.full((self.max_output,), -1)])[: self.max_output]
        return filled.clamp(min=0), filled >= 0


def onnx_graph(method: Method, precision: str = "fp32") -> onnx.ModelProto:
    """Trace a method; its nodes are named after the modules they come from.

    Args:
        method: What to trace.
        precision: "fp32", or "fp16" for a graph whose inputs and outputs are still float32.
    """
    module = prepared(method.module, repeat=unrolled)
    replace_nms(module, NativeNMS)
    if precision == "fp16":
        module = computing_half(module, detector=method.detector)
    with torch.no_grad():
        program: Any = torch.onnx.export(
            module,
            method.example,
            input_names=list(method.inputs),
            # A graph has one set of names: what a step takes and gives back changed must not be called the same.
            output_names=[f"next_{name}" if name in method.inputs else name for name in method.outputs],
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    model: onnx.ModelProto = program.model_proto
    name_nodes(model.graph)
    # The shapes noted behind NonMaxSuppression are those of a full result; the runtime works out all others itself.
    model.graph.ClearField("value_info")
    return model


def name_nodes(graph: onnx.GraphProto) -> None:
    """Name every node "module/Operator", and drop what the tracer noted about this machine's source files."""
    taken: Counter[str] = Counter()
    for node in graph.node:
        name = f"{_module(node)}/{node.op_type}"
        taken[name] += 1
        node.name = name if taken[name] == 1 else f"{name}_{taken[name]}"
        node.ClearField("metadata_props")
        node.ClearField("doc_string")


def layer_of(node: onnx.NodeProto) -> str:
    """Return the dotted name of the module that a node of `onnx_graph` comes from."""
    return node.name.partition("/")[0]


def _module(node: onnx.NodeProto) -> str:
    noted = {entry.key: entry.value for entry in node.metadata_props}
    scopes = ast.literal_eval(noted.get("pkg.torch.onnx.name_scopes", "['', '']"))  # modules from the root, operator
    return str(scopes[-2])
