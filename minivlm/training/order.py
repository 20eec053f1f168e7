"""Which examples a step learns from, and with what chance: told by numbers alone, so that any run can go on anywhere.

Epochs follow each other in one long row of examples, each epoch in an order of its own; a step takes the next `batch`
of the row. Several processes, and parts of a batch, share a step's examples: how many there are changes nothing else.
"""

import signal
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from itertools import count
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from minivlm.errors import UserError
from minivlm.training.stage import Examples


class Chance(IntEnum):
    """What chance is for: each has seeds of its own."""

    ORDER = 0
    EXAMPLE = 1
    STEP = 2
    WEIGHTS = 3


def generator_of(chance: Chance, *numbers: int) -> torch.Generator:
    """Return a source of chance on the CPU, of which any two differ as soon as one number does."""
    return torch.Generator().manual_seed(seed_of(chance, *numbers))


def seed_of(chance: Chance, *numbers: int) -> int:
    """Return the seed of `generator_of`."""
    low, high = np.random.SeedSequence((int(chance), *numbers)).generate_state(2).tolist()
    return int(low) | int(high) << 32


@dataclass(frozen=True, kw_only=True)
class Course:
    """The row of steps of a training.

    Attributes:
        seed: Of all chance.
        examples: How many there are.
        batch: How many a step takes.
        steps: Of the whole training.
    """

    seed: int
    examples: int
    batch: int
    steps: int


@dataclass(frozen=True, kw_only=True)
class Share:
    """What one process computes of every step.

    Attributes:
        process: From 0.
        processes: How many there are.
        parts: Into which the process cuts its share, computed one after another.
    """

    process: int = 0
    processes: int = 1
    parts: int = 1


class Batches(Dataset[Any]):
    """The batches of one process: number `step * parts + part` is a part of a step.

    Args:
        examples: What to learn from.
        course: How many, in which order.
        share: Of this process.

    Raises:
        UserError: A step's examples cannot be shared out evenly.
    """

    def __init__(self, examples: Examples, course: Course, share: Share) -> None:
        shares = share.processes * share.parts
        if course.batch % shares:
            raise UserError(
                f"a batch of {course.batch} cannot be shared by {share.processes} processes in {share.parts} parts:"
                f" give a --batch that {shares} divides"
            )
        self._examples = examples
        self._course = course
        self._share = share
        self._size = course.batch // shares
        self._epoch = -1
        self._order: list[int] = []

    def __len__(self) -> int:
        return self._course.steps * self._share.parts

    def __getitem__(self, number: int) -> Any:
        """Return a batch; of data that cannot be used the `UserError`, which a worker could not raise in one line."""
        step, part = divmod(number, self._share.parts)
        first = step * self._course.batch + (part * self._share.processes + self._share.process) * self._size
        try:
            made = [self._example(place, step / self._course.steps) for place in range(first, first + self._size)]
            return self._examples.collate(made)
        except UserError as error:
            return error

    def _example(self, place: int, progress: float) -> Any:
        epoch, place = divmod(place, self._course.examples)
        if epoch != self._epoch:
            order = generator_of(Chance.ORDER, self._course.seed, epoch)
            self._epoch, self._order = epoch, torch.randperm(self._course.examples, generator=order).tolist()
        index = self._order[place]
        return self._examples.example(index, generator_of(Chance.EXAMPLE, self._course.seed, epoch, index), progress)


def each_batch(batches: Batches, first: int, workers: int, start: str | None = None) -> Iterator[Any]:
    """Yield batches in order, made ahead in worker processes.

    Args:
        batches: Of this process.
        first: Number of the first one.
        workers: Processes; 0 makes each batch when it is asked for.
        start: How workers are started, None as the system does; see `multiprocessing.get_context`.

    Raises:
        UserError: An example cannot be made, or a worker ended.
    """
    loader: DataLoader[Any] = DataLoader(
        batches,
        batch_size=None,
        sampler=range(first, len(batches)),
        num_workers=workers,
        collate_fn=_as_it_is,
        generator=torch.Generator(),  # the seeds that it draws for workers would come out of the process's chance
        worker_init_fn=_leave_signals if workers else None,
        multiprocessing_context=start if workers else None,
    )
    made = iter(loader)
    for _ in count(first):
        try:
            batch = next(made, None)
        except RuntimeError as error:
            if "DataLoader worker" not in str(error):
                raise
            reason = str(error).splitlines()[0]
            raise UserError(f"{reason}: lower --workers or --batch, or free memory, and go on with --resume") from None
        if batch is None:
            return
        if isinstance(batch, UserError):
            raise batch
        yield batch


def _as_it_is(batch: Any) -> Any:
    return batch


def _leave_signals(worker: int) -> None:
    """Leave Ctrl-C, which a terminal sends to all, to the process that trains, and end at its word."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
