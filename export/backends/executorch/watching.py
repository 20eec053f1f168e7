"""What a method's delegates of XNNPACK compute in between, seen in one run of the finished file.

The runtime shows what a method gives. So inner values of a delegate's graph are marked as values that it gives, and the
method hands them on: operators, weights and scales stay as they are, and so do the method's own outputs.
"""

from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import torch
from torch import Tensor

from export.backends.executorch.format import XNNPACK
from export.backends.executorch.program import run_once
from export.backends.executorch.splitting import SCALAR_TYPES, drop_payloads, shared_data
from export.backends.executorch.xnnpack_graph import ALIGNMENT, FLOAT, XnnGraph
from export.core.methods import Method

INT8, FLOAT32 = 1, 6
"""Keys of `SCALAR_TYPES`."""
ARENA = 1
"""Number of the memory that a method's values are planned in."""


@dataclass(frozen=True)
class Inner:
    """A value inside of a delegate.

    Attributes:
        delegate: Number of the delegate in its method.
        number: Of the value in the delegate's graph.
    """

    delegate: int
    number: int


@dataclass(frozen=True)
class Between:
    """A value that an instruction of a method reads.

    Attributes:
        instruction: Number of the instruction.
        number: Of the value in its method.
    """

    instruction: int
    number: int


Place = Inner | Between


def plan_of(file: Any, name: str) -> Any:
    """Return a method of a program."""
    return next(plan for plan in file.program.execution_plan if plan.name == name)


def graphs_of(file: Any, name: str) -> dict[int, XnnGraph]:
    """Return the graphs of a method's delegates of XNNPACK by their numbers, in the order of their first calls."""
    plan, shared = plan_of(file, name), shared_data(file)
    called = dict.fromkeys(getattr(one.instr_args, "delegate_index", -1) for one in plan.chains[0].instructions)
    return {
        index: XnnGraph.of(file.program.backend_delegate_data[plan.delegates[index].processed.index].data, shared)
        for index in called
        if index >= 0 and plan.delegates[index].id == XNNPACK.backend
    }


def watch(file: Any, method: Method, places: Iterable[Place]) -> dict[Place, Tensor]:
    """Run a method's example and return some of its values; those of delegates as XNNPACK lays them out.

    Args:
        file: `PTEFile` as `deserialize_pte_binary` gives it; it stays as it is.
        method: Of the file.
        places: Of the values.
    """
    from executorch.exir._serialize._program import serialize_pte_binary

    wanted = dict.fromkeys(places)
    plan = deepcopy(plan_of(file, method.name))
    payloads, given = list(file.program.backend_delegate_data), list[Place]()
    own = len(plan.outputs)
    for index, graph in graphs_of(file, method.name).items():
        inner = [place for place in wanted if isinstance(place, Inner) and place.delegate == index]
        if inner:
            _give(plan, index, graph, [place.number for place in inner])
            delegate = plan.delegates[index]
            delegate.processed = replace(delegate.processed, index=len(payloads))
            payloads.append(replace(payloads[0], data=graph.payload))
            given += inner
    between = [place for place in wanted if isinstance(place, Between)]
    for place in sorted(between, key=lambda one: one.instruction, reverse=True):  # so that numbers before it hold
        _copy(plan, place)
        given.append(place)
    program = replace(file.program, execution_plan=[plan], backend_delegate_data=payloads)
    drop_payloads(program)
    content = bytes(serialize_pte_binary(replace(file, program=program), extract_delegate_segments=True))
    found = run_once(content, method.name, method.example)
    return dict(zip(given, found[own:], strict=True))


def _give(plan: Any, delegate: int, graph: XnnGraph, numbers: Iterable[int]) -> None:
    """Let a delegate, and its method, give inner values as well, in place.

    What goes in or comes out as it is would be overwritten later: it is copied.
    """
    for number in numbers:
        tensor = graph.tensor(number)
        place = graph.copied(number) if tensor["flags"] else number
        graph.give(place)
        value = _new_value(plan, FLOAT32 if tensor["datatype"] == FLOAT else INT8, tensor["dims"])
        for instruction in plan.chains[0].instructions:
            if getattr(instruction.instr_args, "delegate_index", -1) == delegate:
                instruction.instr_args.args.append(value)


def _copy(plan: Any, place: Between) -> None:
    """Let a method give what an instruction reads, as it is at that time, in place."""
    from executorch.exir.schema import EValue, Instruction, KernelCall, Null, Operator

    held = plan.values[place.number].val
    value = _new_value(plan, int(held.scalar_type), held.sizes)
    plan.values.append(EValue(Null()))
    plan.operators.append(Operator("aten::clone", "out"))
    arguments = [place.number, len(plan.values) - 1, value, value]
    instructions = plan.chains[0].instructions
    for instruction in instructions:
        if getattr(instruction.instr_args, "destination_instruction", -1) > place.instruction:
            instruction.instr_args.destination_instruction += 1
    instructions.insert(place.instruction, Instruction(KernelCall(len(plan.operators) - 1, arguments)))


def _new_value(plan: Any, dtype: int, sizes: list[int]) -> int:
    """Add a tensor in memory of its own to a method and to what the method gives; returns its number."""
    from executorch.exir.scalar_type import ScalarType
    from executorch.exir.schema import AllocationDetails, EValue, Tensor, TensorShapeDynamism

    start = plan.non_const_buffer_sizes[ARENA]
    start += -start % ALIGNMENT
    element: torch.dtype = getattr(torch, SCALAR_TYPES[dtype])
    plan.non_const_buffer_sizes[ARENA] = start + prod(sizes) * element.itemsize
    low, high = start % 2**32, start // 2**32
    order, memory = list(range(len(sizes))), AllocationDetails(ARENA, low, high)
    tensor = Tensor(ScalarType(dtype), 0, list(sizes), order, False, 0, 0, memory, TensorShapeDynamism.STATIC)
    plan.values.append(EValue(tensor))
    plan.outputs.append(len(plan.values) - 1)
    return len(plan.values) - 1
