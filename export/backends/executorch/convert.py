"""Lowering methods to one ExecuTorch program."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from export.backends.executorch.format import COREML, XNNPACK
from export.backends.executorch.layouts import straightened
from export.backends.executorch.names import Names
from export.backends.executorch.quantize import quantized, spell_out_swish
from export.backends.executorch.rewrites import for_accelerators, for_executorch
from export.core.lowering import Lowering
from export.core.methods import Method
from export.core.recipe import Recipe
from export.rewrites.half import computing_half


@dataclass(frozen=True)
class LoweredProgram:
    """A program in memory.

    Attributes:
        program: ExecuTorch's program manager.
        macs_outside: By method, the multiply-adds that were left outside delegates.
        lowering: By method, what delegates took.
        pieces: By method, the traced graphs that went to a delegate before XNNPACK, in the order of execution.
        names: By method, which modules its operators come from.
    """

    program: Any
    macs_outside: Mapping[str, int]
    lowering: Mapping[str, Lowering]
    pieces: Mapping[str, Sequence[Any]]
    names: Mapping[str, Names] = field(default_factory=dict)

    @property
    def content(self) -> bytes:
        """The file; its delegates do what the program asks for with less, see `straightened`."""
        return straightened(self.program.buffer)


def export_program(method: Method, recipe: Recipe) -> Any:
    """Trace a method with `torch.export`, with the rounding that the recipe wants in it."""
    with torch.no_grad():
        return torch.export.export(_rewritten(method, recipe), method.example)


def _rewritten(method: Method, recipe: Recipe) -> nn.Module:
    if recipe.integers:
        return quantized(method, recipe)
    if recipe.delegate not in ("", XNNPACK.name):
        return for_accelerators(method.module)  # what computes there, rounds there
    module = for_executorch(method.module)
    if recipe.precision != "fp16":
        return module
    graph = torch.export.export(computing_half(module, detector=method.detector), method.example).module()
    spell_out_swish(graph)
    return graph


def lower(methods: Sequence[Method], programs: Mapping[str, Any], recipe: Recipe) -> LoweredProgram:
    """Lower traced methods to a recipe's delegate, all into one program that holds each weight once.

    Args:
        methods: What was traced.
        programs: By method, what `export_program` gives.
        recipe: Names the delegate.
    """
    from executorch.exir import EdgeProgramManager

    from export.backends.executorch.partition import graph_macs, lowering_of, modules_of, pieces_of

    parts = [_lower_group(group, programs, recipe) for group in _groups(methods, recipe)]
    lowered = {name: part.exported_program(name) for part in parts for name in sorted(part.methods)}
    whole = parts[0] if len(parts) == 1 else EdgeProgramManager({one.name: lowered[one.name] for one in methods})
    macs = {name: graph_macs(program.graph_module) for name, program in lowered.items()}
    lowering = {name: lowering_of(program) for name, program in lowered.items()}
    pieces = {name: pieces_of(program, recipe.delegate) for name, program in lowered.items()}
    modules = {name: modules_of(program) for name, program in lowered.items()}
    made = whole.to_executorch()  # which gives operators other names
    names = {name: Names(modules[name], made.debug_handle_map[name]) for name in lowered}
    return LoweredProgram(made, macs, lowering, pieces, names)


def _lower_group(group: Sequence[Method], programs: Mapping[str, Any], recipe: Recipe) -> Any:
    from executorch.exir import to_edge_transform_and_lower

    from export.backends.executorch.partition import stack

    partitioners = {method.name: stack(method, recipe.delegate, recipe.precision) for method in group}
    return to_edge_transform_and_lower({name: programs[name] for name in partitioners}, partitioner=partitioners)


def _groups(methods: Sequence[Method], recipe: Recipe) -> Iterator[list[Method]]:
    """Yield methods that are lowered together: they share weights.

    Core ML wants as many pieces of every method that it joins into one package, and a detector has more than others.
    """
    if recipe.delegate != COREML.name:
        yield list(methods)
        return
    for detector in (True, False):
        group = [method for method in methods if method.detector is detector]
        if group:
            yield group
