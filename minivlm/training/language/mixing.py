"""All tasks at once: one set of weights that does them all, a step of one task after a step of another.

A step of one task is a quarter of the work of a step of four, each of which would run by itself: the layers are small,
and what costs is how often they are called.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from minivlm.training.language.batches import Batch
from minivlm.training.language.parts import LanguageParts
from minivlm.training.order import Chance, generator_of
from minivlm.training.stage import TOTAL, Examples

Losses = Callable[[LanguageParts, Any, torch.Generator], Mapping[str, Tensor]]
"""Runs transformer and heads on a task's batch; see `Stage.losses`."""


@dataclass(frozen=True, kw_only=True)
class MixedBatch(Batch):
    """A batch of one task.

    Attributes:
        task: Its name.
        part: The batch.
    """

    task: str
    part: Any


@dataclass(frozen=True, kw_only=True)
class MixedExamples:
    """The examples of several tasks, drawn by chance: an epoch is as many as there are of all tasks together.

    Attributes:
        each: Task -> its examples.
        shares: Task -> its share of the steps, whatever number of examples it has.
    """

    each: Mapping[str, Examples]
    shares: Mapping[str, float]

    def __len__(self) -> int:
        return sum(len(examples) for examples in self.each.values())

    def example(self, index: int, generator: torch.Generator, progress: float) -> tuple[str, Any]:
        """See `Examples`: the name of the step's task with an example of it, of which the index says nothing."""
        task = _task(tuple(self.each), tuple(self.shares[name] for name in self.each), progress)
        row = int(torch.randint(len(self.each[task]), (), generator=generator))
        return task, self.each[task].example(row, generator, progress)

    def collate(self, examples: Sequence[tuple[str, Any]]) -> MixedBatch:
        """See `Examples`."""
        (task,) = {task for task, _ in examples}
        return MixedBatch(task=task, part=self.each[task].collate([example for _, example in examples]))


@lru_cache(maxsize=1)
def _task(names: tuple[str, ...], shares: tuple[float, ...], progress: float) -> str:
    """Draw a task; all examples of a step have the same progress, and no two steps."""
    generator = generator_of(Chance.STEP, *progress.as_integer_ratio())
    return names[int(torch.multinomial(torch.tensor(shares), 1, generator=generator))]


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
        """Return the weighted loss of the batch's task, and the same under the task's name."""
        loss = self.weights[batch.task] * self.each[batch.task](model, batch.part, generator)[TOTAL]
        return {TOTAL: loss, batch.task: loss}
