"""A .pte file whose delegates of XNNPACK compute the same with less: graphs that no traced model can ask for.

ExecuTorch lays maps out channels last for convolutions and goes by operators: what permutes a map that already lies so,
permutes it twice. And channels last is where copying a map to twice its size is joining it with itself.
"""

from collections.abc import Mapping
from dataclasses import replace
from math import prod
from typing import Any

import torch

from export.backends.executorch.format import XNNPACK
from export.backends.executorch.splitting import shared_data
from export.backends.executorch.xnnpack_graph import NOWHERE, XnnGraph

TRANSPOSITION, DOUBLING, PRODUCT = "XNNStaticTranspose", "XNNConvTranspose2d", "XNNMultiply"


def straightened(content: bytes) -> bytes:
    """Return a program that computes the same, as the functions below have it."""
    from executorch.exir._serialize._program import deserialize_pte_binary, serialize_pte_binary

    file = deserialize_pte_binary(content)
    shared = shared_data(file)
    payloads = list(file.program.backend_delegate_data)
    delegates = [delegate for plan in file.program.execution_plan for delegate in plan.delegates]
    for index in sorted({delegate.processed.index for delegate in delegates if delegate.id == XNNPACK.backend}):
        graph = XnnGraph.of(payloads[index].data, shared)
        if straighten(graph) + weigh_before_doubling(graph) + double_by_copies(graph):
            payloads[index] = replace(payloads[index], data=graph.payload)
    program = replace(file.program, backend_delegate_data=payloads)
    return bytes(serialize_pte_binary(replace(file, program=program), extract_delegate_segments=True))


def straighten(graph: XnnGraph) -> int:
    """Take out, in place, transpositions that undo each other or move a single number; returns how many."""
    made: dict[int, dict[str, Any]] = {}
    same: dict[int, int] = {}
    for node in graph.nodes:
        held = node["xnode_union"]
        graph.reconnect(node, same)
        made[held["output_id"]] = node
        if node["xnode_union_type"] == TRANSPOSITION and not graph.is_given(held["output_id"]):
            before = made.get(held["input_id"])
            if prod(graph.tensor(held["input_id"])["dims"]) == 1:
                same[held["output_id"]] = held["input_id"]
            elif before is not None and undone(before, node):
                same[held["output_id"]] = before["xnode_union"]["input_id"]
    if same:
        graph.drop_unread(TRANSPOSITION)
    return len(same)


def undone(first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
    """Tell whether an operator is a transposition that another one takes back."""
    if first["xnode_union_type"] != TRANSPOSITION:
        return False
    there, back = (node["xnode_union"]["perm"] for node in (first, second))
    return [there[axis] for axis in back] == list(range(len(there)))


def weigh_before_doubling(graph: XnnGraph) -> int:
    """Multiply maps by a number, in place, before they are doubled and not behind; returns how many."""
    swapped = 0
    for node in graph.nodes:
        if node["xnode_union_type"] != DOUBLING or not copies(graph, node):
            continue
        doubling = node["xnode_union"]
        small, large = doubling["input1_id"], doubling["output_id"]
        readers = graph.readers(large)
        if len(readers) == 1 and not graph.is_given(large) and weighs(graph, readers[0], large):
            product = readers[0]["xnode_union"]
            weighed = graph.shaped(product["output_id"], graph.tensor(small)["dims"])
            doubling.update(input1_id=weighed, output_id=product["output_id"])
            product.update(output_id=weighed)
            graph.reconnect(readers[0], {large: small})
            graph.move(readers[0], before=node)
            swapped += 1
    return swapped


def weighs(graph: XnnGraph, node: Mapping[str, Any], number: int) -> bool:
    """Tell whether an operator multiplies a value by a single number that was there before, and nothing more."""
    if node["xnode_union_type"] != PRODUCT or "output_min_max" in node:
        return False
    others = [one for one in list(graph.ends(node))[:-1] if one != number]
    made = {one["xnode_union"]["output_id"] for one in graph.nodes}
    return len(others) == 1 and others[0] not in made and prod(graph.tensor(others[0])["dims"]) == 1


def double_by_copies(graph: XnnGraph) -> int:
    """Replace, in place, the transposed convolutions that copy each cell four times; returns how many.

    XNNPACK multiplies one cell at a time in them. A row of cells joined with itself along the channels is the row with
    each cell twice, and the map of those, joined with itself along a row, the map with each row twice.
    """
    nodes: list[dict[str, Any]] = []
    replaced = 0
    for node in graph.nodes:
        doubles = node["xnode_union_type"] == DOUBLING and copies(graph, node)
        nodes += doubled(graph, node) if doubles else [node]
        replaced += doubles
    graph.held["xnodes"] = nodes
    return replaced


def doubled(graph: XnnGraph, node: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the operators in place of a transposed convolution, and add the values between them to the graph."""
    held = node["xnode_union"]
    cells, result = held["input1_id"], held["output_id"]
    one, height, width, channels = graph.tensor(cells)["dims"]
    beside = graph.shaped(cells, [one, height, width, 2 * channels])
    rows = graph.shaped(cells, wide := [one, height, 2 * width, channels])
    below = graph.shaped(cells, [one, height, 4 * width, channels])
    made = [
        joining(cells, beside, 3),
        reshaping(beside, rows, wide),
        joining(rows, below, 2),
        reshaping(below, result, [one, 2 * height, 2 * width, channels]),
    ]
    return [one | {"debug_handle": node["debug_handle"]} for one in made]


def copies(graph: XnnGraph, node: Mapping[str, Any]) -> bool:
    """Tell whether a transposed convolution gives each cell of a map four times, as `Doubling` has it."""
    held = node["xnode_union"]
    numbers = graph.numbers(held["filter_id"])  # (channels, 2, 2, channels of a group)
    identity = torch.eye(numbers.shape[3]).repeat(held["groups"], 1)[:, None, None].expand(numbers.shape)
    doubles = held["subsampling_height"] == held["subsampling_width"] == 2
    return doubles and torch.equal(numbers / numbers.max(), identity)


def joining(number: int, result: int, axis: int) -> dict[str, Any]:
    """Return the operator that joins a value with itself."""
    held = {"axis": axis, "input1_id": number, "input2_id": number, "output_id": result, "flags": 0}
    held |= {f"input{place}_id": NOWHERE for place in range(3, 6)}
    return {"xnode_union_type": "XNNConcatenate2", "xnode_union": held}


def reshaping(number: int, result: int, shape: list[int]) -> dict[str, Any]:
    """Return the operator that reads a value in another shape."""
    held = {"num_dims": len(shape), "new_shape": shape, "input_id": number, "output_id": result, "flags": 0}
    return {"xnode_union_type": "XNNStaticReshape", "xnode_union": held}
