"""Matrices and tables in 4 bits, a scale a group of weights, by ONNX Runtime's own quantizer.

Its operators are MatMulNBits and GatherBlockQuantized.
"""

from collections.abc import Collection

import numpy as np
import onnx
from onnx import helper, numpy_helper

INTEGER_PRODUCTS = 4
"""MatMulNBits' accuracy level at which rows are rounded to int8, each group by its own range, before they are
multiplied."""


def store_in_groups(model: onnx.ModelProto, names: Collection[str], group: int) -> onnx.ModelProto:
    """Return a graph in which some matrix products and look-ups read 4-bit weights.

    Args:
        model: Where the products are; it is changed.
        names: Of MatMul and Gather nodes, those that are there.
        group: Weights along a row that share a scale.
    """
    from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

    others = [node.name for node in model.graph.node if node.name not in names]
    quantizer = MatMulNBitsQuantizer(
        model,
        bits=4,
        block_size=group,
        is_symmetric=True,
        accuracy_level=INTEGER_PRODUCTS,
        op_types_to_quantize=("MatMul", "Gather"),
        quant_axes=(("MatMul", 0), ("Gather", 1)),
        nodes_to_exclude=others,
    )
    quantizer.process()
    return with_half_scales(quantizer.model.model)


def with_half_scales(model: onnx.ModelProto) -> onnx.ModelProto:
    """Store the scales of tables in float16, a tenth of their bytes less, and widen the rows that are looked up.

    Products take scales in the type of their rows, which is float32. The graph is changed in place.
    """
    tables = [node for node in model.graph.node if node.op_type == "GatherBlockQuantized"]
    scales = {node.input[2] for node in tables}
    for held in model.graph.initializer:
        if held.name in scales:
            held.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(held).astype(np.float16), held.name))
    for node in tables:
        row = node.output[0]
        node.output[0] = f"{row}_half"
        widened = helper.make_node(
            "Cast", [node.output[0]], [row], name=f"{node.name}_widened", to=onnx.TensorProto.FLOAT
        )
        model.graph.node.insert(list(model.graph.node).index(node) + 1, widened)
    return model
