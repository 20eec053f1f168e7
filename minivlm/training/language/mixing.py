"""All tasks at once: one set of weights that does them all.

An example is one of any task, so that a step learns from all of them; each task's part of a batch runs by itself.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from minivlm.training.language.batches import Batch
from minivlm.training.language.parts import LanguageParts
from minivlm.training.stage import TOTAL, Examples

Losses = Callable[[LanguageParts, Any, torch.Generator], Mapping[str, Tensor]]
"""Runs transformer and heads on a task's batch; see `Stage.losses`."""


@dataclass(frozen=True, kw_only=True)
class MixedBatch(Batch):
    """Batches of one task each.

    Attributes:
        parts: Task -> its batch.
        shares: Task -> its share of the examples.
    """

    parts: dict[str, Any]
    shares: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class MixedExamples:
    """The examples of several tasks in one row.

    Attributes:
        each: Task -> its examples.
        rounds: Task -> how often an epoch shows each of its examples.
    """

    each: Mapping[str, Examples]
    rounds: Mapping[str, int]

    def __len__(self) -> int:
        return sum(len(examples) * self.rounds[task] for task, examples in self.each.items())

    def example(self, index: int, generator: torch.Generator, progress: float) -> tuple[str, Any]:
        """See `Examples`: the name of a task with an example of it."""
        for task, examples in self.each.items():
            if index < len(examples) * self.rounds[task]:
                return task, examples.example(index % len(examples), generator, progress)
            index -= len(examples) * self.rounds[task]
        raise IndexError(index)

    def collate(self, examples: Sequence[tuple[str, Any]]) -> MixedBatch:
        """See `Examples`."""
        parts: dict[str, list[Any]] = {}
        for task, example in sorted(examples, key=lambda one: one[0]):
            parts.setdefault(task, []).append(example)
        return MixedBatch(
            parts={task: self.each[task].collate(some) for task, some in parts.items()},
            shares={task: len(some) / len(examples) for task, some in parts.items()},
        )


@dataclass(frozen=True, kw_only=True)
class MixedLosses:
    """The losses of several tasks.

    Attributes:
        each: Task -> its losses.
        weights: Task -> what its loss counts: answers' is a sum over hundreds of outputs.
    """

    each: Mapping[str, Losses]
    weights: Mapping[str, float]

    def __call__(self, model: LanguageParts, batch: MixedBatch, generator: torch.Generator) -> dict[str, Tensor]:
        """Return each task's loss and, as the total, their weighted mean over the examples of a batch."""
        found = {task: self.each[task](model, part, generator)[TOTAL] for task, part in batch.parts.items()}
        shares = {task: self.weights[task] * batch.shares[task] for task in found}
        total = torch.stack([shares[task] * loss for task, loss in found.items()]).sum()
        return {TOTAL: total, **found}
