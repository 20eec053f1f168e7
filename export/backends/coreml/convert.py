"""From a method to a Core ML program: traced, named after the model's layers, converted, and joined with others."""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import numpy as np
import torch

from export.backends.coreml.translation import hide_nms, translations
from export.core.methods import Method
from export.rewrites.modules import prepared
from minivlm.ops import unrolled

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
            outputs=[
                ct.TensorType(name=name, dtype=np.float32 if floating else np.int32)
                for name, floating in zip(method.outputs, _floating_outputs(program), strict=True)
            ],
            minimum_deployment_target=ct.target.iOS18,
            compute_precision=computes,
            skip_model_load=True,
        )


def _floating_outputs(program: Any) -> list[bool]:
    """Tell which of a traced program's outputs are floats; all others are whole numbers."""
    (output,) = (node for node in program.graph.nodes if node.op == "output")
    return [node.meta["val"].is_floating_point() for node in output.args[0]]


def _half_selector(method: Method) -> Callable[[Any], bool]:
    """Return what tells whether an operation computes in fp16."""

    def selects(operation: Any) -> bool:
        return method.is_dense(layer_of(operation.outputs[0].name))  # a fused operation has a name of its own

    return selects


def save(model: Any, package: Path) -> None:
    """Write a converted model as a package of its own."""
    import coremltools as ct

    # A model fresh from the converter would also write a debug mapping, which it cannot for programs with loops.
    ct.models.MLModel(model.get_spec(), weights_dir=model.weights_dir, skip_model_load=True).save(str(package))


def join(packages: Mapping[str, Path], target: Path) -> None:
    """Write one package with a function for each given one's; equal weights are stored once.

    The same programs give the same bytes: Core ML's own writer draws the manifest's identifiers at random and lets
    the order of protocol buffer maps change from run to run.
    """
    import coremltools as ct

    functions = ct.utils.MultiFunctionDescriptor()
    for name, package in packages.items():
        functions.add_function(str(package), src_function_name="main", target_function_name=name)
    functions.default_function_name = next(iter(packages))
    ct.utils.save_multifunction(functions, str(target))

    (program,) = target.rglob("*.mlmodel")
    program.write_bytes(ct.utils.load_spec(str(target)).SerializeToString(deterministic=True))
    manifest = target / "Manifest.json"
    manifest.write_text(json.dumps(_settled(json.loads(manifest.read_text())), indent=2, sort_keys=True) + "\n")


def _settled(manifest: dict[str, Any]) -> dict[str, Any]:
    """Return a package's manifest with identifiers made of the items' paths."""
    items = manifest["itemInfoEntries"]
    names = {identifier: str(uuid5(NAMESPACE_URL, item["path"])) for identifier, item in items.items()}
    return {
        **manifest,
        "itemInfoEntries": {names[identifier]: item for identifier, item in items.items()},
        "rootModelIdentifier": names[manifest["rootModelIdentifier"]],
    }
