"""Matrices and tables in 4 bits, a scale a group of weights, by ONNX Runtime's own quantizer.

Its operators are MatMulNBits and GatherBlockQuantized.
"""

from collections.abc import Collection

import onnx

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
    stored: onnx.ModelProto = quantizer.model.model
    return stored
