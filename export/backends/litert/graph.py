"""Reading and editing .tflite models as objects: names, operators, and what the interpreter's delegate took."""

import copy
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from export.core.methods import Method
from minivlm.quiet import quiet

INT8, INT4, INT32 = 9, 17, 2
"""Element types, as the schema numbers them."""


def parsed(content: bytes) -> Any:
    """Return a model as the objects of its schema."""
    from ai_edge_litert.tools import flatbuffer_utils

    return flatbuffer_utils.read_model_from_bytearray(bytearray(content))


def packed(model: Any) -> bytes:
    """Return the bytes of a model."""
    from ai_edge_litert.tools import flatbuffer_utils

    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


class WrittenOnce:
    """An object of the schema that a model's bytes hold once, however many others refer to it."""

    def __init__(self, held: Any) -> None:
        self._held = held
        self._builder: Any = None
        self._offset = 0

    def Pack(self, builder: Any) -> int:
        """Write the object, or return where it is; called by the schema's classes."""
        if self._builder is not builder:
            self._builder, self._offset = builder, self._held.Pack(builder)
        return self._offset


def share_scales(model: Any) -> None:
    """Let tensors with the same scales refer to one copy of them, in place.

    Signatures share weights, but a scale and a 64-bit zero for every output channel stand in each of them.
    """
    known: dict[tuple[bytes, bytes, int], WrittenOnce] = {}
    for tensor in (tensor for graph in model.subgraphs for tensor in graph.tensors):
        held = tensor.quantization
        if held is not None and held.scale is not None and len(held.scale) > 1:
            key = (bytes(np.asarray(held.scale)), bytes(np.asarray(held.zeroPoint)), held.quantizedDimension)
            tensor.quantization = known.setdefault(key, WrittenOnce(held))


def share_buffers(model: Any) -> None:
    """Let tensors with the same bytes refer to one buffer, in place.

    The quantizer stores the scales of groups anew for every signature.
    """
    first: dict[bytes, int] = {}
    same = {}
    for number, buffer in enumerate(model.buffers):
        content = b"" if buffer.data is None else bytes(buffer.data)
        if content and number:  # by the schema, the first one is empty
            same[number] = first.setdefault(content, number)
            if same[number] != number:
                buffer.data = None
    for tensor in (tensor for graph in model.subgraphs for tensor in graph.tensors):
        tensor.buffer = same.get(tensor.buffer, tensor.buffer)


def graphs(model: Any) -> Iterator[tuple[str, Any]]:
    """Yield each signature's name and subgraph."""
    for signature in model.signatureDefs:
        yield signature.signatureKey.decode(), model.subgraphs[signature.subgraphIndex]


def number_ends(model: Any, methods: Sequence[Method]) -> None:
    """Number tensors such that each signature's inputs, then its outputs, have rising numbers, in place.

    An interpreter tells a signature's ends in alphabetical order, with their numbers.

    Args:
        model: To change.
        methods: Whose names the signatures and their ends have.
    """
    by_name = {method.name: method for method in methods}
    for signature in model.signatureDefs:
        graph, method = model.subgraphs[signature.subgraphIndex], by_name[signature.signatureKey.decode()]
        first, last = (
            [{end.name.decode(): end.tensorIndex for end in ends}[name] for name in names]
            for ends, names in ((signature.inputs, method.inputs), (signature.outputs, method.outputs))
        )
        between = [index for index in range(len(graph.tensors)) if index not in {*first, *last}]
        order = [*first, *between, *last]
        new = {old: number for number, old in enumerate(order)} | {-1: -1}
        graph.tensors = [graph.tensors[old] for old in order]
        for tensor in graph.tensors:  # groups of weights have their scales in a tensor
            if group_scales(tensor) >= 0:
                tensor.quantization.details.scales = new[group_scales(tensor)]  # symmetric: zeroPoints names no tensor
        for holder in (graph, *graph.operators):
            holder.inputs = [new[int(index)] for index in holder.inputs]
            holder.outputs = [new[int(index)] for index in holder.outputs]
        for operator in graph.operators:
            if operator.intermediates is not None:
                operator.intermediates = [new[int(index)] for index in operator.intermediates]
        for end in (*signature.inputs, *signature.outputs):
            end.tensorIndex = new[end.tensorIndex]


def kind(model: Any, operator: Any) -> str:
    """Return an operator's name, such as CONV_2D."""
    from ai_edge_litert.tools import flatbuffer_utils

    return str(flatbuffer_utils.opcode_to_name(model, operator.opcodeIndex))


def tensor_name(graph: Any, index: int) -> str:
    """Return the name of a subgraph's tensor."""
    return str(graph.tensors[index].name.decode())


def module_of(tensor: str) -> str:
    """Return the dotted module name within a tensor's name, signature/module:number; "" where there is none."""
    return tensor.partition("/")[2].partition(":")[0]


def macs(model: Any, graph: Any, operator: Any) -> int:
    """Return the multiply-adds of an operator, 0 for those that are neither a convolution nor a matrix product."""
    shapes = [[int(size) for size in graph.tensors[index].shape] for index in operator.inputs[:2] if index >= 0]
    outputs = math.prod(int(size) for size in graph.tensors[operator.outputs[0]].shape)
    match kind(model, operator):
        case "CONV_2D":
            return outputs * math.prod(shapes[1][1:])
        case "DEPTHWISE_CONV_2D":
            return outputs * math.prod(shapes[1][1:3])
        case "FULLY_CONNECTED" | "BATCH_MATMUL":
            adjoint = getattr(operator.builtinOptions, "adjX", False)
            return outputs * shapes[0][-2 if adjoint else -1]
    return 0


def constant(model: Any, graph: Any, index: int) -> bool:
    """Return whether a tensor's values are part of the model."""
    data = model.buffers[graph.tensors[index].buffer].data
    return data is not None and len(data) > 0


def numbers(model: Any, graph: Any, index: int, dtype: Any) -> Any:
    """Return the numbers of a tensor that is part of the model, in one row, as a type that the caller knows."""
    return np.frombuffer(bytes(model.buffers[graph.tensors[index].buffer].data), dtype)


def float_weights(model: Any, graph: Any, index: int) -> Any:
    """Return the numbers of a float32 tensor that is part of the model, in one row; none of any other."""
    from ai_edge_litert.schema_py_generated import TensorType

    if not constant(model, graph, index) or graph.tensors[index].type != TensorType.FLOAT32:
        return np.empty(0, np.float32)
    return numbers(model, graph, index, np.float32)


def signature_graph(model: Any, name: str) -> tuple[Any, Any]:
    """Return a signature, by its name, and its subgraph."""
    signature = next(item for item in model.signatureDefs if item.signatureKey.decode() == name)
    return signature, model.subgraphs[signature.subgraphIndex]


def part(
    model: Any, graph: Any, operators: Sequence[Any], inputs: Sequence[int], outputs: Sequence[int], name: str
) -> bytes:
    """Return a model of some of a subgraph's operators, with one signature and no other model's constants.

    Args:
        model: That the subgraph is in; it is left as it is.
        graph: The subgraph.
        operators: In the order of execution.
        inputs: Numbers of the tensors that are given to them; in the signature these are the names.
        outputs: Likewise of the tensors that they give.
        name: Of the signature.
    """
    used = [*inputs, *(int(index) for one in operators for index in (*one.inputs, *one.outputs) if index >= 0)]
    used += [scales for index in used if (scales := group_scales(graph.tensors[index])) >= 0]
    tensors = {index: number for number, index in enumerate(dict.fromkeys(used))} | {-1: -1}
    buffers = {0: 0}  # the schema's empty one
    single = copy.copy(model)
    single.subgraphs, single.metadata, single.metadataBuffer = [copy.copy(graph)], [], None
    (own,) = single.subgraphs
    own.tensors = [_moved(graph.tensors[index], buffers, tensors) for index in tensors if index >= 0]
    single.buffers = [model.buffers[index] for index in buffers]
    own.operators = []
    for operator in operators:
        moved = copy.copy(operator)
        moved.inputs = [tensors[int(index)] for index in operator.inputs]
        moved.outputs = [tensors[int(index)] for index in operator.outputs]
        own.operators.append(moved)
    own.inputs, own.outputs = [tensors[index] for index in inputs], [tensors[index] for index in outputs]
    signature = copy.copy(model.signatureDefs[0])
    signature.signatureKey, signature.subgraphIndex = name.encode(), 0
    signature.inputs, signature.outputs = (
        [_end(model, str(index), tensors[index]) for index in ends] for ends in (inputs, outputs)
    )
    single.signatureDefs = [signature]
    return packed(single)


def group_scales(tensor: Any) -> int:
    """Return the number of the tensor that holds the scales of groups of a tensor's weights; -1 where none does."""
    details = tensor.quantization.details if tensor.quantization is not None else None
    return int(details.scales) if details is not None and hasattr(details, "blockSize") else -1


def _moved(tensor: Any, buffers: dict[int, int], tensors: Mapping[int, int]) -> Any:
    """Return a tensor that refers to others by their new numbers, its buffer by that in `buffers`, which grows."""
    moved = copy.copy(tensor)
    moved.buffer = buffers.setdefault(int(tensor.buffer), len(buffers))
    if group_scales(tensor) >= 0:
        moved.quantization = copy.copy(tensor.quantization)
        moved.quantization.details = copy.copy(tensor.quantization.details)
        moved.quantization.details.scales = tensors[group_scales(tensor)]
    return moved


def _end(model: Any, name: str, index: int) -> Any:
    """Return an end of a signature, of the class that the model's own are of."""
    end = copy.copy(model.signatureDefs[0].outputs[0])
    end.name, end.tensorIndex = name.encode(), index
    return end


def only(model: Any, graph: Any) -> Any:
    """Return a model with one of a model's subgraphs, which a plain interpreter runs, and every buffer."""
    single = copy.copy(model)
    single.subgraphs, single.signatureDefs = [graph], []
    return single


def delegated_shares(content: bytes) -> dict[str, float]:
    """Return by signature the share of the multiply-adds that the interpreter's delegate, XNNPACK, runs."""
    model = parsed(content)
    return {name: _delegated_share(model, graph) for name, graph in graphs(model)}


def _delegated_share(model: Any, graph: Any) -> float:
    from ai_edge_litert.interpreter import Interpreter

    with quiet():
        interpreter = Interpreter(model_content=packed(only(model, graph)), num_threads=1)
        interpreter.allocate_tensors()
    parts = [part for part in interpreter._get_ops_details() if part["op_name"] == "DELEGATE"]
    makers = {int(output): operator for operator in graph.operators for output in operator.outputs}
    taken: set[int] = set()
    for part in parts:
        # All that a part computes leads to its outputs, so walking back from them to its inputs meets all of it.
        given, waiting = set(map(int, part["inputs"])), [int(index) for index in part["outputs"]]
        while waiting:
            index = waiting.pop()
            if index in given or index in taken or index not in makers:
                continue
            taken.update(int(output) for output in makers[index].outputs)
            waiting += [int(source) for source in makers[index].inputs]
    counts = [(operator, macs(model, graph, operator)) for operator in graph.operators]
    total = sum(count for _, count in counts)
    return sum(count for operator, count in counts if int(operator.outputs[0]) in taken) / total if total else 1.0
