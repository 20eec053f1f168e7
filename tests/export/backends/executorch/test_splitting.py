"""A program cut at a delegate's calls computes what the whole would: checked by an interpreter of six lines."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from executorch.exir._serialize._program import PTEFile
from executorch.exir.backend.compile_spec_schema import CompileSpec
from executorch.exir.scalar_type import ScalarType
from executorch.exir.schema import (
    BackendDelegate,
    BackendDelegateDataReference,
    BackendDelegateInlineData,
    Buffer,
    Chain,
    ContainerMetadata,
    DataLocation,
    DelegateCall,
    EValue,
    ExecutionPlan,
    Instruction,
    JumpFalseCall,
    KernelCall,
    MoveCall,
    Program,
    SubsegmentOffsets,
    Tensor,
    TensorList,
    TensorShapeDynamism,
)
from hypothesis import given
from hypothesis import strategies as st

from export.backends.executorch.splitting import Call, Cut, Stretch, needs, split
from minivlm.errors import UserError

MISSING, PRESENT = "CoreMLBackend", "XnnpackBackend"
MODULUS = 1_000_003
CONSTANTS = {2: 17, 3: 23}
"""By the number of the value."""


def tensor(buffer: int = 0) -> EValue:
    """One float; its contents are the file's where it has a buffer there."""
    return EValue(Tensor(ScalarType.FLOAT, 0, [1], [0], False, 0, buffer, None, TensorShapeDynamism.STATIC))


def delegate(name: str, index: int) -> BackendDelegate:
    return BackendDelegate(name, BackendDelegateDataReference(DataLocation.INLINE, index), list[CompileSpec]())


def file_of(plan: ExecutionPlan) -> PTEFile:
    payloads = [BackendDelegateInlineData(b"%d" % index) for index in range(len(plan.delegates))]
    buffers = [Buffer(b""), *(Buffer(np.float32(number).tobytes()) for number in CONSTANTS.values())]
    return PTEFile(Program(0, [plan], buffers, payloads, [], SubsegmentOffsets(0, []), None, []))


def plan_of(values: Sequence[EValue], instructions: Sequence[Any], outputs: Sequence[int]) -> ExecutionPlan:
    """A method with the first two values as inputs; delegates 0 and 2 are missing, 1 and 3 present."""
    delegates = [delegate((MISSING, PRESENT)[index % 2], index) for index in range(4)]
    chain = Chain([], [], [Instruction(one) for one in instructions], None)
    meta = ContainerMetadata("", "")
    return ExecutionPlan("forward", meta, list(values), [0, 1], list(outputs), [chain], [], delegates, [0, 64])


def run(plan: ExecutionPlan, payloads: Sequence[Any], values: dict[int, int]) -> None:
    """Run a method on numbers: the last argument is the result, and every kernel and payload computes another."""
    for instruction in plan.chains[0].instructions:
        call = instruction.instr_args
        payload = payloads[plan.delegates[call.delegate_index].processed.index].data if is_call(call) else b""
        compute(payload, call.args, values)


def is_call(call: Any) -> bool:
    return isinstance(call, DelegateCall)


def compute(payload: bytes, arguments: Sequence[int], values: dict[int, int]) -> None:
    *taken, result = arguments
    start = int(payload) + 2 if payload else 1
    values[result] = (start + sum((place + 3) * values[number] for place, number in enumerate(taken))) % MODULUS


def put_together(cut: Cut, rest: PTEFile, inputs: Sequence[int]) -> list[int]:
    """Run stretches and calls one after another; a stretch sees constants and what it takes, and nothing else."""
    plans = {plan.name: plan for plan in rest.program.execution_plan}
    known = {number: int(constant) for number, constant in cut.constants.items()}
    known.update(zip(cut.inputs, inputs, strict=True))
    for step in cut.steps:
        if isinstance(step, Call):
            compute(step.payload, step.values, known)
            continue
        seen = {**CONSTANTS, **{number: known[number] for number in step.takes}}
        run(plans[step.name], rest.program.backend_delegate_data, seen)
        known.update({number: seen[number] for number in step.gives})
    return [known[number] for number in cut.outputs]


@st.composite
def programs(draw: Callable[..., Any]) -> ExecutionPlan:
    """Straight programs: two inputs, two constants, and results of kernels and delegates from anything before."""
    count = draw(st.integers(1, 12))
    instructions: list[Any] = []
    for result in range(4, 4 + count):
        taken = draw(st.lists(st.integers(0, result - 1), min_size=1, max_size=3))
        index = draw(st.integers(-2, 3))
        arguments = [*taken, result]
        instructions.append(KernelCall(0, arguments) if index < 0 else DelegateCall(index, arguments))
    outputs = draw(st.lists(st.integers(4, 3 + count), min_size=1, max_size=3))
    values = [tensor(buffer=(0, 0, 1, 2)[number] if number < 4 else 0) for number in range(4 + count)]
    return plan_of(values, instructions, outputs)


@given(programs(), st.integers(0, 1000), st.integers(0, 1000))
def test_stretches_and_calls_one_after_another_are_the_program(plan, first, second):
    file = file_of(plan)
    whole = {0: first, 1: second, **CONSTANTS}
    run(plan, file.program.backend_delegate_data, whole)
    rest, cuts = split(file, MISSING)
    expected = [whole[number] for number in plan.outputs]
    assert put_together(cuts["forward"], rest, [first, second]) == expected
    assert not needs(rest.program, MISSING)


def test_only_present_delegates_are_left_and_keep_their_payloads():
    calls = [DelegateCall(3, [0, 2]), DelegateCall(0, [2, 3]), DelegateCall(1, [3, 4])]
    file = file_of(plan_of([tensor() for _ in range(5)], calls, [4]))
    assert needs(file.program, MISSING)
    rest, cuts = split(file, MISSING)
    first, second = rest.program.execution_plan
    assert [(one.delegates[0].id, one.delegates[0].processed.index) for one in (first, second)] == [
        (PRESENT, 0),
        (PRESENT, 1),
    ]
    assert [data.data for data in rest.program.backend_delegate_data] == [b"3", b"1"]
    assert cuts["forward"].steps == (
        Stretch("forward#0", (0,), (2,)),
        Call(b"0", (2, 3)),
        Stretch("forward#1", (3,), (4,)),
    )


def test_items_of_lists_go_over_a_cut_as_tensors():
    values = [tensor(), tensor(), tensor(), EValue(TensorList([0, 2])), tensor()]
    file = file_of(plan_of(values, [DelegateCall(0, [1, 2]), KernelCall(0, [3, 4])], [4]))
    _, cuts = split(file, MISSING)
    assert cuts["forward"].steps[1] == Stretch("forward#0", (0, 2), (4,))


def test_a_loop_jumps_within_its_stretch():
    """Instructions 1 to 3 loop behind the call: what jumped to 1 jumps to the stretch's first."""
    calls = [DelegateCall(0, [0, 2]), KernelCall(0, [2, 3]), MoveCall(3, 2), JumpFalseCall(3, 1)]
    file = file_of(plan_of([tensor() for _ in range(4)], calls, [3]))
    (plan,) = split(file, MISSING)[0].program.execution_plan
    assert plan.chains[0].instructions[-1].instr_args == JumpFalseCall(3, 0)
    assert calls[-1] == JumpFalseCall(3, 1), "the program itself stays as it was"


def test_a_loop_around_a_call_is_refused():
    calls = [KernelCall(0, [0, 2]), DelegateCall(0, [2, 3]), JumpFalseCall(3, 0)]
    file = file_of(plan_of([tensor() for _ in range(4)], calls, [3]))
    with pytest.raises(UserError, match="a loop of the program calls a delegate"):
        split(file, MISSING)


def test_a_constant_is_read_in_the_order_in_which_its_axes_are_stored():
    """Channels last: the file has (1, 2, 3) as axes 0, 2, 1."""
    expected = torch.arange(6, dtype=torch.int64).reshape(1, 2, 3)
    shape = TensorShapeDynamism.STATIC
    value = EValue(Tensor(ScalarType.LONG, 0, [1, 2, 3], [0, 2, 1], False, 0, 1, None, shape))
    file = file_of(plan_of([tensor(), tensor(), value, tensor()], [DelegateCall(0, [0, 2, 3])], [3]))
    file.program.constant_buffer[1] = Buffer(expected.transpose(1, 2).contiguous().numpy().tobytes())
    assert torch.equal(split(file, MISSING)[1]["forward"].constants[2], expected)
