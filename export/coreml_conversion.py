"""From a method to a Core ML program: traced, named after the model's layers, converted, and joined with others."""

import re
from collections.abc import Callable, Sequence
from typing import Any

import torch

from export.coreml_translation import hide_nms, translations
from export.methods import Method
from export.rewrites import prepared
from minivlm.ops import unrolled

HALF_PARTS = ("backbone", "rpn", "box_head")
"""Parts of a detector that compute in fp16. The rest works on pixels and row numbers: areas up to 512 x 512 overflow
65,504, and from 2,048 on not every whole number exists."""

SEPARATOR = "__"
"""Stands for the dot of a layer's dotted name, which MIL names cannot hold."""


def layer_of(name: str) -> str:
    """Return the dotted name of the layer that an operation of a converted program comes from; "" if from none."""
    return name.rpartition(SEPARATOR)[0].replace(SEPARATOR, ".")


def trace(method: Method) -> Any:
    """Trace a method with `torch.export`, its nodes named after the layers that they come from."""
    module = prepared(method.module, repeat=unrolled)
    hide_nms(module)
    with torch.no_grad():
        program = torch.export.export(module, method.example).run_decompositions({})
    results = {spec.arg.name for spec in program.graph_signature.output_specs}
    for node in program.graph.nodes:
        stack = list((node.meta.get("nn_module_stack") or {}).values())
        if node.op == "call_function" and stack and node.name not in results:
            operator = re.sub(r"_\d+$", "", node.name)
            node._rename(SEPARATOR.join([*filter(None, stack[-1][0].split(".")), operator]))
    return program


def convert(method: Method, precision: str) -> Any:
    """Convert a method to a Core ML model with one function, "main", in iOS 18's operators.

    Args:
        method: What to convert; inputs and outputs keep its names.
        precision: "fp32", or "fp16" for a program whose inputs and outputs are still fp32.

    Returns:
        `coremltools.models.MLModel`, not loaded.
    """
    import coremltools as ct

    program = trace(method)
    computes = ct.precision.FLOAT32
    if precision == "fp16":
        computes = ct.transform.FP16ComputePrecision(op_selector=_half_selector(method))
    with translations():
        return ct.convert(
            program,
            outputs=[ct.TensorType(name=name) for name in method.outputs],
            minimum_deployment_target=ct.target.iOS18,
            compute_precision=computes,
            skip_model_load=True,
        )


def _half_selector(method: Method) -> Callable[[Any], bool]:
    """Return what tells whether an operation computes in fp16."""

    def selects(operation: Any) -> bool:
        parts = layer_of(operation.name).split(".")
        return method.kind != "regions" or any(part in parts for part in HALF_PARTS)

    return selects
