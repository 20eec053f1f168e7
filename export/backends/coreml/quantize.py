"""int8 and int4 for Core ML: which layers take narrow weights and which 8-bit inputs too, by coremltools' quantizer.

coremltools measures activation ranges by running the model on a Mac. Here the reference executor runs it, and the
ranges are handed to the same graph pass that coremltools would have handed its own to.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from torch import Tensor, nn

from export.backends.coreml.convert import layer_of, save
from export.backends.coreml.rounding import weight_quantizer
from export.core.methods import Method
from export.core.precision import Decision, Kind, Mode, Rule
from export.core.ranges import Spread
from export.core.recipe import Recipe
from export.mil.executor import MilFunction, read_functions

WEIGHTS: Mapping[str, str] = {"conv": "weight", "linear": "weight", "gather": "x"}
"""By operator, the input that can be a stored weight: a gather's is an embedding table."""

BLOCKS = "constexpr_blockwise_shift_scale"
"""The operator that turns a stored weight's whole numbers into floats."""

STEPS = 254
"""Of an input's range: coremltools divides it, from minus to plus its end, into -127 to 127."""

SMALLEST = 2048
"""Weights of fewer numbers stay as they are: with the scales there would be nothing to save."""


def stored_layers(function: Any, module: nn.Module) -> Iterator[tuple[str, Any, Any]]:
    """Yield every layer with a stored weight: its dotted name, its operation, and the weight's operation.

    An operation that was fused of others has the name of the last. A convolution with a factor behind it is known by
    its strides, and a product with a sum behind it by its weight.

    Args:
        function: Of a program, converted or quantized.
        module: What it was converted from.
    """
    owners = {f"p_{name.replace('.', '_')}": name.rpartition(".")[0] for name, _ in module.named_parameters()}
    for operation in function.operations:
        if operation.op_type in WEIGHTS:
            weight = operation.inputs[WEIGHTS[operation.op_type]].op
            if weight is not None and weight.op_type in ("const", BLOCKS):
                stored = weight.outputs[0].name.removesuffix("_quantized").removesuffix("_to_fp16")
                own = operation.inputs.get("strides") or operation.outputs[0]
                yield layer_of(own.name) or owners.get(stored, ""), operation, weight


def weighted(function: Any, module: nn.Module) -> Iterator[tuple[str, Any, Any]]:
    """Yield those of a converted program's `stored_layers` that a rule decides about."""
    for name, operation, weight in stored_layers(function, module):
        if weight.op_type == "const" and weight.outputs[0].val.size >= SMALLEST:
            yield name, operation, weight


def kind_of(operation: Any) -> Kind:
    """Return the kind of an operation with a stored weight."""
    if operation.op_type == "conv":
        groups = operation.inputs.get("groups")
        return Kind.DEPTHWISE if groups is not None and int(groups.val) > 1 else Kind.CONVOLUTION
    return Kind.LINEAR if operation.op_type == "linear" else Kind.EMBEDDING


def quantize(model: Any, method: Method, recipe: Recipe) -> tuple[Any, list[Decision]]:
    """Quantize a converted fp16 model.

    Args:
        model: `coremltools.models.MLModel` with one function, "main".
        method: What it was converted from.
        recipe: Which layers are kept how; photos to measure ranges on.

    Returns:
        The quantized model, and what was decided about its layers with weights.
    """
    import coremltools.optimize.coreml as optimize

    with TemporaryDirectory() as folder:
        package = Path(folder, "float.mlpackage")
        save(model, package)
        function = read_functions(package)["main"]
    layers = list(weighted(function, method.module))
    decisions = recipe.decide((layer, kind_of(operation)) for layer, operation, _ in layers)
    rules = [decision.rule for decision in decisions]
    static = [operation for (_, operation, _), rule in zip(layers, rules, strict=True) if rule.mode is Mode.STATIC]
    if static:
        model = _quantize_inputs(model, static, _ranges(function, static, recipe.samples(method), list(method.inputs)))
    chosen = {
        weight.outputs[0].name: _stored(rule)
        for (_, _, weight), rule in zip(layers, rules, strict=True)
        if rule.mode is not Mode.FLOAT
    }
    return _apply(weight_quantizer(optimize.OptimizationConfig(op_name_configs=chosen)), model), decisions


def _stored(rule: Rule) -> Any:
    """Return coremltools' way of storing a weight as a rule has it, a scale a row or a group."""
    import coremltools.optimize.coreml as optimize

    grouped = {"granularity": "per_block", "block_size": rule.group} if rule.group else {}
    return optimize.OpLinearQuantizerConfig(
        mode="linear_symmetric", dtype=f"int{rule.bits}", weight_threshold=0, **grouped
    )


def _ranges(
    function: Any, operations: Sequence[Any], samples: Sequence[tuple[Tensor, ...]], names: Sequence[str]
) -> dict[str, dict[str, float]]:
    """Return the range that the input of each operation is rounded in, by the variable's name."""
    spreads = {operation.inputs["x"].name: Spread() for operation in operations}

    def watch(operation: Any, result: Tensor) -> None:
        name = operation.outputs[0].name
        if name in spreads:
            spreads[name].add(result)

    runner = MilFunction(function)
    for sample in samples:
        runner.run(dict(zip(names, sample, strict=True)), watch)
    found = {name: spread.best_symmetric(STEPS) for name, spread in spreads.items()}
    return {name: {"rmin": ends.low, "rmax": ends.high} for name, ends in found.items()}


def _quantize_inputs(model: Any, operations: Sequence[Any], ranges: Mapping[str, Mapping[str, float]]) -> Any:
    """Put a symmetric int8 quantize and dequantize before each operation's input, by coremltools' pass."""
    import coremltools.optimize.coreml as optimize
    from coremltools.converters.mil.mil.passes.graph_pass import PassOption
    from coremltools.converters.mil.mil.passes.pass_registry import PASS_REGISTRY

    symmetric = optimize.OpLinearQuantizerConfig(mode="linear_symmetric", weight_threshold=0)
    chosen = {operation.name: symmetric for operation in operations}
    insert = PASS_REGISTRY["compression::insert_prefix_quantize_dequantize_pair"]
    insert.set_options(
        [
            PassOption("config", optimize.OptimizationConfig(op_name_configs=chosen)),
            PassOption("activation_stats", dict(ranges)),
        ]
    )
    return _apply(insert, model)


def _apply(graph_pass: Any, model: Any) -> Any:
    from coremltools.models.utils import _apply_graph_pass

    version = model.get_spec().specificationVersion
    return _apply_graph_pass(model, graph_pass, spec_version=version, skip_model_load=True)
