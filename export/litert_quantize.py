"""Storing a converted model's weights in 8 or 16 bits, by ai-edge-quantizer.

Rules say what happens to which module's operators, first match wins; the tensors' names say which module an operator
belongs to, see `export.litert_convert`.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from export.litert_graph import graphs, kind, macs, module_of, packed, parsed, share_scales, tensor_name
from export.methods import Method
from export.recipe import Recipe

MATRICES = ("CONV_2D", "FULLY_CONNECTED", "EMBEDDING_LOOKUP")
NETWORK = (*MATRICES, "DEPTHWISE_CONV_2D", "ADD", "MUL", "LOGISTIC", "PAD")


class Mode(Enum):
    """How an operator's numbers are kept."""

    FLOAT = "float"
    DYNAMIC = "weights in int8; activations in float, quantized row by row as they arrive"
    STATIC = "all in int8, activations in ranges measured before"


@dataclass(frozen=True)
class Rule:
    """What happens to the operators of some kinds in the modules whose name matches."""

    modules: str
    mode: Mode
    kinds: tuple[str, ...]


DETECTOR_RULES = (
    # These decide where boxes are, and cost nothing.
    Rule(r"\b(rpn|box_head\.deltas|conv_stem)\b", Mode.FLOAT, NETWORK),
    # Means and gates of squeeze-and-excitation: their static ranges cost 0.6 dB of the levels and saved no time.
    Rule(r"\bblocks\.\d+\.\d+\.se\b", Mode.DYNAMIC, MATRICES),
    # Where maps are small and matrices large: int8 pays most there and harms least. Every block that is quantized
    # leaves 21 to 30 dB of the levels, the earlier the fewer; all in int8 leaves 14 dB and half of the proposals.
    Rule(r"\bblocks\.[456]\b", Mode.STATIC, NETWORK),
    # The rest is stored in int8: the box head's rows each get a scale of their own, so that features, boxes and scores
    # share none. The BiFPN is 1 % of the bytes and alone takes the levels to 26 dB and the regions that both sides find
    # from all to 0.6: it stays in float.
    Rule(r"\b(blocks\.3|box_head)\b", Mode.DYNAMIC, MATRICES),
)
LANGUAGE_RULES = (Rule(r"", Mode.DYNAMIC, MATRICES),)


@dataclass(frozen=True)
class Placed:
    """An operator of a signature.

    Attributes:
        output: Name of the tensor that it computes.
        module: Dotted name of the module that it belongs to.
        kind: Such as CONV_2D.
        macs: Multiply-adds.
        stored: Element type of its weights as the schema numbers it, None if it has none.
    """

    output: str
    module: str
    kind: str
    macs: int
    stored: int | None


def quantize(content: bytes, methods: Sequence[Method], recipe: Recipe) -> tuple[bytes, list[str]]:
    """Return a model with smaller weights, and the modules whose weights stayed in float."""
    from ai_edge_quantizer import quantizer

    made = quantizer.Quantizer(content)
    if recipe.precision == "fp16":
        made.load_quantization_recipe([_half(kind) for kind in (*MATRICES, "DEPTHWISE_CONV_2D")])
    else:
        groups: dict[tuple[str, Mode], list[str]] = {}
        for method in methods:
            for placed in operators(content, method.name):
                mode = mode_of(placed, method, recipe)
                if mode is not Mode.FLOAT:
                    groups.setdefault((placed.kind, mode), []).append(placed.output)
        for (operation, mode), outputs in groups.items():
            _add(made, operation, mode, outputs)
    ranges = calibrate(content, made, methods, recipe) if made.need_calibration else None
    model = parsed(made.quantize(ranges, enable_progress_report=False).quantized_model)
    share_scales(model)
    quantized = packed(model)
    return quantized, kept_float(quantized, methods)


def mode_of(placed: Placed, method: Method, recipe: Recipe) -> Mode:
    """Return what the rules, and the recipe above them, say about an operator."""
    if recipe.keeps_float(placed.module):
        return Mode.FLOAT
    rules = DETECTOR_RULES if method.kind == "regions" else LANGUAGE_RULES
    found = (rule.mode for rule in rules if re.search(rule.modules, placed.module) and placed.kind in rule.kinds)
    return next(found, Mode.FLOAT)


def operators(content: bytes, signature: str) -> Iterator[Placed]:
    """Yield the operators of a signature."""
    model = parsed(content)
    graph = dict(graphs(model))[signature]
    for operator in graph.operators:
        output = tensor_name(graph, operator.outputs[0])
        weights = [graph.tensors[index] for index in operator.inputs[1:2] if index >= 0]
        stored = weights[0].type if weights and _is_constant(model, weights[0]) else None
        yield Placed(output, module_of(output), kind(model, operator), macs(model, graph, operator), stored)


def kept_float(content: bytes, methods: Sequence[Method]) -> list[str]:
    """Return the modules with matrices that are stored in 32-bit float."""
    from ai_edge_litert import schema_py_generated as schema

    placed = [placed for method in methods for placed in operators(content, method.name)]
    return sorted({item.module for item in placed if item.macs and item.stored == schema.TensorType.FLOAT32})


def calibrate(content: bytes, made: Any, methods: Sequence[Method], recipe: Recipe) -> Any:
    """Return the ranges of all tensors of the methods that photos go into."""
    from ai_edge_quantizer import calibrator, recipe_manager
    from ai_edge_quantizer.utils import qsv_utils

    # Not the quantizer's own way, a moving average that depends on the order of the photos.
    measured = calibrator.Calibrator(content, num_threads=2, qsv_update_func=qsv_utils.min_max_update)
    rules = recipe_manager.RecipeManager()
    rules.load_quantization_recipe(made.get_quantization_recipe())
    photos = {
        method.name: [
            {f"args_{index}": value.numpy() for index, value in enumerate(sample)} for sample in recipe.samples(method)
        ]
        for method in methods
        if method.kind == "regions"
    }
    measured.calibrate(photos, rules)
    return measured.get_model_qsvs()


def _add(made: Any, operation: str, mode: Mode, outputs: Sequence[str]) -> None:
    """Add one rule for all operators of a kind: the quantizer tries every rule on every operator.

    With a rule for each, a whole model took ten minutes, most of them to compile patterns again and again.
    """
    from ai_edge_quantizer import qtyping

    these, name = f"^(?:{'|'.join(map(re.escape, outputs))});", qtyping.TFLOperationName(operation)
    if mode is Mode.STATIC:
        made.add_static_config(these, name, activation_num_bits=8, weight_num_bits=8)
    else:
        made.add_dynamic_config(these, name, num_bits=8)


def _half(kind: str) -> dict[str, Any]:
    """Return the quantizer's rule for storing weights in fp16 and computing in fp32."""
    return {
        "regex": ".*",
        "operation": kind,
        "algorithm_key": "float_casting",
        "op_config": {
            "weight_tensor_config": {"num_bits": 16, "dtype": "FLOAT"},
            "compute_precision": "FLOAT",
            "explicit_dequantize": True,
        },
    }


def _is_constant(model: Any, tensor: Any) -> bool:
    data = model.buffers[tensor.buffer].data
    return data is not None and len(data) > 0
