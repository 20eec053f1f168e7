"""The row of examples: every one once an epoch, shared out without gaps, the same whoever makes it."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from minivlm.errors import UserError
from minivlm.training.order import Batches, Chance, Course, Share, each_batch, generator_of, seed_of
from tests.training.linear import Numbers


def indices(batches: Batches, number: int) -> list[int]:
    return list(batches[number].indices)


@settings(deadline=None)
@given(examples=st.integers(1, 20), each=st.integers(1, 3), processes=st.integers(1, 3), parts=st.integers(1, 3))
def test_shares_of_a_step_are_the_step(examples: int, each: int, processes: int, parts: int) -> None:
    batch = each * processes * parts
    course = Course(seed=1, examples=examples, batch=batch, steps=5)
    whole = Batches(Numbers(examples), course, Share())
    shares = [
        Batches(Numbers(examples), course, Share(process=process, processes=processes, parts=parts))
        for process in range(processes)
    ]
    for step in range(5):
        shown = [index for part in range(parts) for one in shares for index in indices(one, step * parts + part)]
        assert shown == indices(whole, step)
    row = [index for step in range(5) for index in indices(whole, step)]
    for epoch in range(len(row) // examples):
        assert sorted(row[epoch * examples : (epoch + 1) * examples]) == list(range(examples))


def test_what_cannot_be_shared_is_refused() -> None:
    course = Course(seed=0, examples=9, batch=8, steps=1)
    with pytest.raises(UserError, match=r"a batch of 8 cannot be shared by 3 processes in 2 parts: .* 6 divides"):
        Batches(Numbers(9), course, Share(processes=3, parts=2))


@pytest.mark.parametrize(("workers", "start"), [(1, "fork"), (2, "fork"), (2, "spawn")])
def test_workers_make_what_the_process_itself_makes(workers: int, start: str) -> None:
    course = Course(seed=3, examples=10, batch=2, steps=12)
    batches = Batches(Numbers(10, noise=1.0), course, Share())
    alone = list(each_batch(batches, 0, 0))
    assert len(alone) == 12
    made = list(each_batch(batches, 4, workers, start))
    assert len(made) == 8
    for one, other in zip(alone[4:], made, strict=True):
        assert one.indices == other.indices
        assert torch.equal(one.inputs, other.inputs)


def test_an_example_is_made_anew_in_every_epoch() -> None:
    course = Course(seed=0, examples=1, batch=1, steps=2)
    first, second = (Batches(Numbers(1, noise=1.0), course, Share())[number] for number in range(2))
    assert not torch.equal(first.inputs, second.inputs)


@settings(deadline=None)
@given(st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=3), st.integers(0, 2), st.integers(1, 1000))
def test_seeds_differ_with_every_number(numbers: list[int], place: int, more: int) -> None:
    place %= len(numbers)
    others = [number + more * (index == place) for index, number in enumerate(numbers)]
    seeds = {seed_of(Chance.STEP, *numbers), seed_of(Chance.STEP, *others), seed_of(Chance.EXAMPLE, *numbers)}
    assert len(seeds) == 3
    assert generator_of(Chance.STEP, *numbers).initial_seed() in seeds
