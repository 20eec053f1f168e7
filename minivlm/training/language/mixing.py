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
    """The examples of several tasks, drawn by chance: an epoch is as many as there are of all tasks together.

    Attributes:
        each: Task -> its examples.
        shares: Task -> its share of what is drawn, whatever number of examples it has.
    """

    each: Mapping[str, Examples]
    shares: Mapping[str, float]

    def __len__(self) -> int:
        return sum(len(examples) for examples in self.each.values())

    def example(self, index: int, generator: torch.Generator, progress: float) -> tuple[str, Any]:
        """See `Examples`: the name of a task with an example of it, of which the index says nothing."""
        names = list(self.each)
        shares = torch.tensor([self.shares[name] for name in names])
        task = names[int(torch.multinomial(shares, 1, generator=generator))]
        row = int(torch.randint(len(self.each[task]), (), generator=generator))
        return task, self.each[task].example(row, generator, progress)

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
        """Return the weighted mean over the examples of a batch, and what each task contributes to it.

        A task without an example contributes 0, so that all processes, and all steps of a log, tell of the same tasks.
        """
        device = next(model.parameters()).device
        found = {task: torch.zeros((), device=device) for task in self.each}
        for task, part in batch.parts.items():
            loss = self.each[task](model, part, generator)[TOTAL]
            found[task] = self.weights[task] * batch.shares[task] * loss
        return {TOTAL: torch.stack(list(found.values())).sum(), **found}
