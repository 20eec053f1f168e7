"""What the trainer needs of whatever is to be trained: the detector, or the transformer in one of its tasks."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from minivlm.training.optimization import Optimization, ParameterGroup

TOTAL = "total"
"""Name of the loss that is made smaller, among those of a step."""


class Examples(Protocol):
    """What there is to learn from; goes to worker processes by pickling, so it holds no model."""

    def __len__(self) -> int:
        """Return the number of examples."""
        ...

    def example(self, index: int, generator: torch.Generator, progress: float) -> Any:
        """Make one example.

        Args:
            index: From 0.
            generator: Of all chance, such as augmentation and masking; its seed depends on nothing but the training's
                seed, the epoch and the index, and so neither on processes nor on interruptions.
            progress: Share of the training that is done, from 0 to 1, the same for all examples of a step: sizes may
                grow with it.
        """
        ...

    def collate(self, examples: Sequence[Any]) -> Any:
        """Put examples into a batch, whose `to(device)` returns it on a device.

        It may have `faults`: lines about examples that others are shown instead of, of which each is told once.
        """
        ...


class Stage(Protocol):
    """One training: a model, what it learns from, what that costs, and how it is saved."""

    @property
    def name(self) -> str:
        """What is trained, for people."""
        ...

    @property
    def optimization(self) -> Optimization:
        """How."""
        ...

    @property
    def model(self) -> nn.Module:
        """What is trained, and all of it that a resumed training needs."""
        ...

    @property
    def examples(self) -> Examples:
        """What it learns from."""
        ...

    def prepare(self) -> Sequence[ParameterGroup]:
        """Freeze what stays as it is, set modes, and return what learns.

        Called before the optimizer is built.
        """
        ...

    def losses(self, batch: Any, generator: torch.Generator) -> Mapping[str, Tensor]:
        """Run the model on a batch.

        Args:
            batch: Of `Examples.collate`, on the model's device.
            generator: Of chance, on the CPU, with a seed of its own for every step and process.

        Returns:
            () float32 by name; `TOTAL` is what is made smaller. Means over examples, so that those of several
            processes can be averaged.
        """
        ...

    def save(self, folder: Path) -> None:
        """Write the model as a checkpoint into a folder that is there, see `minivlm.weights.checkpoint`.

        Raises:
            UserError: It cannot be written, or a weight is not finite.
        """
        ...
