"""A stage of language training, as the trainer takes it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from minivlm.models.vision_language import require_head
from minivlm.training.language.known import Shown
from minivlm.training.language.mixing import Losses
from minivlm.training.language.parts import LanguageParts
from minivlm.training.language.recipes import LanguageRecipe
from minivlm.training.language.start import Start
from minivlm.training.language.tasks import TASKS, LanguageTask, Material
from minivlm.training.optimization import Optimization, ParameterGroup
from minivlm.training.stage import Examples
from minivlm.weights import checkpoint
from minivlm.weights.labels import write_labels
from minivlm.weights.loading import BLIND


@dataclass(frozen=True)
class LanguageStage:
    """Transformer and heads learn one task, or all; see `Stage`.

    Attributes:
        name: In `TASKS`.
        start: The model.
        recipe: How.
        examples: What it learns from.
        cost: What that costs.
        shown: What it is shown of pictures.
        told: What a checkpoint says of the stage.
    """

    name: str
    start: Start
    recipe: LanguageRecipe
    examples: Examples
    cost: Losses
    shown: Shown
    told: str

    @property
    def task(self) -> LanguageTask:
        """The stage as data."""
        return TASKS[self.name]

    @property
    def optimization(self) -> Optimization:
        """See `Stage`."""
        return self.recipe.optimization

    @cached_property
    def model(self) -> LanguageParts:
        """See `Stage`: all but the detector, which has done its work."""
        return LanguageParts(self.start.whole)

    def prepare(self) -> Sequence[ParameterGroup]:
        """See `Stage`."""
        learning = self.model.learn(self.task.learns)
        if self.recipe.dropout is not None:
            for part in self.model.modules():
                if isinstance(part, nn.Dropout):
                    part.p = self.recipe.dropout
        return (ParameterGroup(parameters=learning),)

    def losses(self, batch: Any, generator: torch.Generator) -> Mapping[str, Tensor]:
        """See `Stage`."""
        return self.cost(self.model, self.shown.filled(batch), generator)

    def save(self, folder: Path) -> None:
        """See `Stage`: the whole model, detector included."""
        if self.name == "pretrain":
            self.model.untie()
        write_labels(folder, self.start.labels)
        checkpoint.save(folder, self.start.whole, self.start.info_after(self.told, self.task.learns))


def begin_stage(name: str, start: Start, material: Material) -> LanguageStage:
    """Put a stage together.

    Args:
        name: In `TASKS`.
        start: The model.
        material: What there is to learn from, with the model's labels.

    Raises:
        UserError: The model lacks a head, or the data has no example that can be used.
    """
    for head in TASKS[name].heads:
        require_head(head, start.whole.config.heads)
    examples, cost = TASKS[name].build(material)
    recipe = ["--recipe", material.world] if material.world else []
    told = " ".join(["minivlm train", name, *recipe, *([] if material.known.sees else [BLIND])])
    return LanguageStage(name, start, material.recipe, examples, cost, material.known, told)
