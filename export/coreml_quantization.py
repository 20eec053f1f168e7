"""int8 for Core ML: which layers take 8-bit weights and which 8-bit inputs too, by coremltools' own quantizer.

coremltools measures activation ranges by running the model on a Mac. Here the reference executor runs it, and the
ranges are handed to the same graph pass that coremltools would have handed its own to.
"""

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from torch import Tensor

from export.coreml_conversion import layer_of, save
from export.methods import Method
from export.mil_executor import MilFunction, read_functions
from export.recipe import Recipe

WEIGHTS: Mapping[str, str] = {"conv": "weight", "linear": "weight", "gather": "x"}
"""By operator, the input that can be a stored weight: a gather's is an embedding table."""

SMALLEST = 2048
"""Weights of fewer numbers stay as they are: with the scales there would be nothing to save."""

FLOAT_LAYERS = ("*.conv_stem", "*.se.*", "*.rpn.*")
"""Layers of a detector that stay in fp16: small ones, through which an error spreads over a whole map or all boxes."""

STATIC_LAYERS = ("*.conv_pw", "*.box_head.fc1", "*.box_head.fc2")
"""Layers of a detector whose inputs are 8-bit too: they hold nearly all of its multiply-adds and their inputs are even.
Depthwise layers and BiFPN sums take inputs whose channels differ by orders of magnitude, and one scale has to serve
them all; scores and boxes (`box_head.classifier`, `box_head.deltas`) share none with the features they come from."""


def _matches(layer: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch(f".{layer}", pattern) for pattern in patterns)


def stays_float(layer: str, method: Method, recipe: Recipe) -> bool:
    """Tell whether a layer keeps its fp16 weights."""
    return recipe.keeps_float(layer) or (method.kind == "regions" and _matches(layer, FLOAT_LAYERS))


def takes_int8(layer: str, method: Method, recipe: Recipe) -> bool:
    """Tell whether a layer's input is quantized, too."""
    return method.kind == "regions" and not stays_float(layer, method, recipe) and _matches(layer, STATIC_LAYERS)


def weighted(function: Any) -> Iterator[tuple[str, Any, Any]]:
    """Yield every layer with a stored weight: its dotted name, its operation, and the weight's operation."""
    for operation in function.operations:
        if operation.op_type in WEIGHTS:
            weight = operation.inputs[WEIGHTS[operation.op_type]].op
            if weight is not None and weight.op_type == "const" and weight.outputs[0].val.size >= SMALLEST:
                yield layer_of(operation.outputs[0].name), operation, weight


def quantize(model: Any, method: Method, recipe: Recipe) -> tuple[Any, list[str]]:
    """Quantize a converted fp16 model.

    Args:
        model: `coremltools.models.MLModel` with one function, "main".
        method: What it was converted from.
        recipe: Which layers stay in float; photos to measure ranges on.

    Returns:
        The quantized model, and what stays in float: layers, and layers whose weights only are int8.
    """
    import coremltools.optimize.coreml as optimize

    with TemporaryDirectory() as folder:
        package = Path(folder, "float.mlpackage")
        save(model, package)
        function = read_functions(package)["main"]
    layers = list(weighted(function))
    static = [operation for layer, operation, _ in layers if takes_int8(layer, method, recipe)]
    if static:
        model = _quantize_inputs(model, static, _ranges(function, static, recipe.samples(method), list(method.inputs)))
    per_channel = optimize.OpLinearQuantizerConfig(mode="linear_symmetric", weight_threshold=0)
    chosen = {
        weight.outputs[0].name: per_channel for layer, _, weight in layers if not stays_float(layer, method, recipe)
    }
    quantized = optimize.linear_quantize_weights(model, optimize.OptimizationConfig(op_name_configs=chosen))
    return quantized, _kept_float([layer for layer, _, _ in layers], method, recipe)


def _kept_float(layers: Sequence[str], method: Method, recipe: Recipe) -> list[str]:
    if method.kind != "regions":
        return ["activations of all layers", *sorted({layer for layer in layers if stays_float(layer, method, recipe)})]
    kept = {
        layer if stays_float(layer, method, recipe) else f"{layer} (activations)"
        for layer in layers
        if not takes_int8(layer, method, recipe)
    }
    return sorted(kept)


def _ranges(
    function: Any, operations: Sequence[Any], samples: Sequence[tuple[Tensor, ...]], names: Sequence[str]
) -> dict[str, dict[str, float]]:
    """Return the smallest and largest number in the input of each operation, by the variable's name."""
    wanted = {operation.inputs["x"].name for operation in operations}
    ranges: dict[str, dict[str, float]] = {}

    def watch(operation: Any, result: Tensor) -> None:
        name = operation.outputs[0].name
        if name in wanted:
            found = ranges.setdefault(name, {"rmin": 0.0, "rmax": 0.0})
            found["rmin"] = min(found["rmin"], float(result.min()))
            found["rmax"] = max(found["rmax"], float(result.max()))

    runner = MilFunction(function)
    for sample in samples:
        runner.run(dict(zip(names, sample, strict=True)), watch)
    return ranges


def _quantize_inputs(model: Any, operations: Sequence[Any], ranges: Mapping[str, Mapping[str, float]]) -> Any:
    """Put a symmetric int8 quantize and dequantize before each operation's input, by coremltools' pass."""
    import coremltools.optimize.coreml as optimize
    from coremltools.converters.mil.mil.passes.graph_pass import PassOption
    from coremltools.converters.mil.mil.passes.pass_registry import PASS_REGISTRY
    from coremltools.models.utils import _apply_graph_pass

    symmetric = optimize.OpLinearQuantizerConfig(mode="linear_symmetric", weight_threshold=0)
    chosen = {operation.name: symmetric for operation in operations}
    insert = PASS_REGISTRY["compression::insert_prefix_quantize_dequantize_pair"]
    insert.set_options(
        [
            PassOption("config", optimize.OptimizationConfig(op_name_configs=chosen)),
            PassOption("activation_stats", dict(ranges)),
        ]
    )
    return _apply_graph_pass(model, insert, spec_version=model.get_spec().specificationVersion, skip_model_load=True)
