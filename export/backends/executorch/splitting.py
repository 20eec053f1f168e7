"""A program cut at the calls of a delegate that this machine lacks, so that its runtime runs all the rest.

A .pte file is a list of instructions over numbered values. What stands between two calls of the missing delegate
becomes a method of its own, with the same values, kernels, other delegates and memory plan. Whoever runs the stretches
one after another, and does what the delegate would do in between, runs the file.
"""

from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from math import prod
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from minivlm.errors import UserError

SCALAR_TYPES: Mapping[int, str] = MappingProxyType(
    {0: "uint8", 1: "int8", 3: "int32", 4: "int64", 5: "float16", 6: "float32", 11: "bool"}
)
"""c10's numbers of element types."""


@dataclass(frozen=True)
class Stretch:
    """Instructions that the runtime runs at one go.

    Attributes:
        name: Of the method that they became.
        takes: Numbers of the values that have to be there before, in the method's order.
        gives: Numbers of the values that are there afterwards.
    """

    name: str
    takes: tuple[int, ...]
    gives: tuple[int, ...]


@dataclass(frozen=True)
class Call:
    """A call of the missing delegate.

    Attributes:
        payload: What the delegate's compiler wrote, as it is in the file.
        values: Numbers of what goes in, then of what comes out.
    """

    payload: bytes
    values: tuple[int, ...]


@dataclass(frozen=True)
class Cut:
    """A method as stretches and calls.

    Attributes:
        inputs: Numbers of its inputs' values.
        outputs: Numbers of its outputs' values.
        steps: In the order of execution.
        constants: By number, what calls take from the file itself: weights that kernels read, too.
    """

    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    steps: tuple[Stretch | Call, ...]
    constants: Mapping[int, Tensor]


def needs(program: Any, backend: str) -> bool:
    """Tell whether a program calls a delegate of a backend."""
    return any(delegate.id == backend for plan in program.execution_plan for delegate in plan.delegates)


def split(file: Any, backend: str) -> tuple[Any, dict[str, Cut]]:
    """Cut every method of a program at the calls of a backend.

    Args:
        file: `PTEFile` as `deserialize_pte_binary` gives it.
        backend: Name, such as "CoreMLBackend".

    Returns:
        The file with the stretches as methods, and by the name of each former method, how it is put together.

    Raises:
        UserError: A loop of the program runs across a call.
    """
    program = file.program
    plans, cuts = [], {}
    for plan in program.execution_plan:
        stretches, cuts[plan.name] = _cut(plan, program, backend)
        plans += stretches
    kept = replace(program, execution_plan=plans)
    drop_payloads(kept)
    return replace(file, program=kept), cuts


def _cut(plan: Any, program: Any, backend: str) -> tuple[list[Any], Cut]:
    (chain,) = plan.chains
    stretches: list[Any] = []
    steps: list[Stretch | Call] = []
    constants: dict[int, Tensor] = {}
    known = set(plan.inputs)
    parts = list(_parts(plan, chain.instructions, backend))
    needed = _needed_later(plan, chain.instructions, parts)
    for (first, last), later in zip(parts, needed, strict=True):
        instructions = chain.instructions[first:last]
        if _calls(plan, instructions[0], backend):
            (call,) = (one.instr_args for one in instructions)
            payload = program.backend_delegate_data[plan.delegates[call.delegate_index].processed.index].data
            steps.append(Call(payload, tuple(call.args)))
            numbers = [number for number in call.args if plan.values[number].val.data_buffer_idx]
            constants.update({number: constant(plan.values[number].val, program) for number in numbers})
            known.update(call.args)
            continue
        touched = _touched(plan, instructions)
        takes, gives = (tuple(sorted(touched & values)) for values in (known, later))
        stretch = Stretch(f"{plan.name}#{len(stretches)}", takes, gives)
        stretches.append(_plan_of(plan, stretch, instructions, first))
        steps.append(stretch)
        known.update(gives)
    return stretches, Cut(tuple(plan.inputs), tuple(plan.outputs), tuple(steps), constants)


def constant(value: Any, program: Any) -> Tensor:
    """Return a tensor whose contents are in the file, laid out there along `dim_order`."""
    stored = bytearray(program.constant_buffer[value.data_buffer_idx].storage)
    dtype: torch.dtype = getattr(torch, SCALAR_TYPES[int(value.scalar_type)])
    numbers = torch.frombuffer(stored, dtype=dtype, count=prod(value.sizes))  # the file pads what is behind
    laid_out = numbers.reshape([value.sizes[axis] for axis in value.dim_order])
    return laid_out.permute([value.dim_order.index(axis) for axis in range(len(value.sizes))]).contiguous()


def _calls(plan: Any, instruction: Any, backend: str) -> bool:
    index = getattr(instruction.instr_args, "delegate_index", None)
    return index is not None and plan.delegates[index].id == backend


def _parts(plan: Any, instructions: Sequence[Any], backend: str) -> Iterator[tuple[int, int]]:
    """Yield the first instruction, and the one behind the last, of each call and of what is between them."""
    first = 0
    for place, instruction in enumerate(instructions):
        if _calls(plan, instruction, backend):
            if first < place:
                yield first, place
            yield place, place + 1
            first = place + 1
    if first < len(instructions):
        yield first, len(instructions)


def _needed_later(plan: Any, instructions: Sequence[Any], parts: Sequence[tuple[int, int]]) -> list[set[int]]:
    """Return, by part, the values that a later one touches or the method gives."""
    later = set(plan.outputs)
    needed = []
    for first, last in reversed(parts):
        needed.append(set(later))
        later |= _touched(plan, instructions[first:last])
    return needed[::-1]


def _touched(plan: Any, instructions: Sequence[Any]) -> set[int]:
    """Return the numbers of the tensors without fixed contents that instructions read or write, lists' items too."""
    numbers: list[int] = []
    for instruction in instructions:
        call = instruction.instr_args
        numbers += getattr(call, "args", [])
        numbers += [getattr(call, name) for name in ("move_from", "move_to", "cond_value_index") if hasattr(call, name)]
    found: set[int] = set()
    while numbers:
        number = numbers.pop()
        value = plan.values[number].val
        kind = type(value).__name__
        if kind in ("TensorList", "OptionalTensorList"):
            numbers += [item for item in value.items if item >= 0]
        elif kind == "Tensor" and not value.data_buffer_idx:
            found.add(number)
    return found


def _plan_of(plan: Any, stretch: Stretch, instructions: Sequence[Any], first: int) -> Any:
    """Return a method of some instructions, with the delegates that they call and no others."""
    delegates: dict[int, int] = {}
    moved = []
    for instruction in instructions:
        call = copy(instruction.instr_args)
        if hasattr(call, "delegate_index"):
            call.delegate_index = delegates.setdefault(call.delegate_index, len(delegates))
        if hasattr(call, "destination_instruction"):
            call.destination_instruction -= first
            if not 0 <= call.destination_instruction <= len(instructions):
                raise UserError("a loop of the program calls a delegate that this machine lacks: run it on a device")
        moved.append(replace(instruction, instr_args=call))
    (chain,) = plan.chains
    return replace(
        plan,
        name=stretch.name,
        inputs=list(stretch.takes),
        outputs=list(stretch.gives),
        chains=[replace(chain, inputs=[], outputs=[], instructions=moved, stacktrace=None)],
        delegates=[copy(plan.delegates[index]) for index in delegates],
    )


def drop_payloads(program: Any) -> None:
    """Leave out what no method calls any more, in place."""
    kept: dict[int, int] = {}
    for delegate in (delegate for plan in program.execution_plan for delegate in plan.delegates):
        place = kept.setdefault(delegate.processed.index, len(kept))
        delegate.processed = replace(delegate.processed, index=place)
    program.backend_delegate_data = [program.backend_delegate_data[index] for index in kept]


def shared_data(file: Any) -> Mapping[str, bytes]:
    """Return what delegates of a program share, by name."""
    if file.named_data is None:
        return {}
    return {name: file.named_data.buffers[entry.buffer_index] for name, entry in file.named_data.pte_data.items()}
