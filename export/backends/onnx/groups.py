"""Matrices in 4 bits, a scale a group of weights, by ONNX Runtime's own quantizer and its operator MatMulNBits."""

from collections.abc import Collection

import onnx
from onnx import helper, numpy_helper

INTEGER_PRODUCTS = 4
"""MatMulNBits' accuracy level at which rows are rounded to int8, each group by its own range, before they are
multiplied."""


def store_in_groups(model: onnx.ModelProto, names: Collection[str], group: int) -> onnx.ModelProto:
    """Return a copy in which some matrix products read 4-bit weights.

    Args:
        model: A graph of `onnx_graph`.
        names: Of its MatMul and Gemm nodes to change.
        group: Weights along a row that share a scale.
    """
    from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

    spelt_out = onnx.ModelProto()
    spelt_out.CopyFrom(model)
    spell_out_gemms(spelt_out.graph, names)
    quantizer = MatMulNBitsQuantizer(
        spelt_out,
        bits=4,
        block_size=group,
        is_symmetric=True,
        accuracy_level=INTEGER_PRODUCTS,
        nodes_to_include=list(names),
    )
    quantizer.process()
    stored: onnx.ModelProto = quantizer.model.model
    return stored


def spell_out_gemms(graph: onnx.GraphProto, names: Collection[str]) -> None:
    """Write Gemm nodes, x W' + b, as MatMul and, if there is a b, Add, in place; the MatMul keeps the node's name."""
    weights = {item.name: item for item in graph.initializer}
    added = set()
    for position in reversed(range(len(graph.node))):
        node = graph.node[position]
        if node.op_type != "Gemm" or node.name not in names:
            continue
        (rows, weight, *biases), (result,) = node.input, node.output
        turned, product = f"{weight}_turned", f"{result}_product" if biases else result
        if turned not in added:
            added.add(turned)
            graph.initializer.append(numpy_helper.from_array(numpy_helper.to_array(weights[weight]).T.copy(), turned))
        graph.node.remove(node)
        for bias in biases:
            graph.node.insert(position, helper.make_node("Add", [product, bias], [result], name=f"{node.name}_bias"))
        graph.node.insert(position, helper.make_node("MatMul", [rows, turned], [product], name=node.name))
