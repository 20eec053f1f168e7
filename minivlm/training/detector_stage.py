"""Training of the detector: which weights learn, what a batch costs, and how the result is saved."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.utils import convert_conv2d_weight_memory_format

from minivlm.errors import UserError
from minivlm.models.registry import build
from minivlm.training.depthwise import quicken
from minivlm.training.detection import Batch, detection_losses
from minivlm.training.optimization import Optimization, ParameterGroup
from minivlm.training.recipes import DetectorRecipe
from minivlm.training.stage import Examples
from minivlm.training.style_mixing import mix_styles
from minivlm.vision.tee import TEE
from minivlm.weights import checkpoint
from minivlm.weights.checkpoint import CheckpointInfo
from minivlm.weights.labels import DetectorLabels, write_detector_labels


@dataclass(frozen=True)
class DetectorStage:
    """A detector, its pictures and its recipe.

    Attributes:
        name: Of the model in the registry.
        model: With the recipe's number of proposals; see `with_proposals`.
        recipe: How to train.
        examples: `DetectorPictures`.
        labels: What the detector's ids mean.
        origin: Where the weights come from, for people.
    """

    name: str
    model: TEE
    recipe: DetectorRecipe
    examples: Examples
    labels: DetectorLabels
    origin: str

    @property
    def optimization(self) -> Optimization:
        """See `Stage`."""
        return self.recipe.optimization

    def prepare(self) -> Sequence[ParameterGroup]:
        """See `Stage`. Layouts are channels_last, which convolutions on CPUs are faster in."""
        model, recipe = self.model, self.recipe
        convert_conv2d_weight_memory_format(model, torch.channels_last)
        model.train().requires_grad_()
        for name in recipe.frozen:
            model.get_submodule(name).eval().requires_grad_(False)
        for part in model.backbone.bifpn.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.momentum = recipe.bifpn_momentum
        if recipe.mixed_styles:
            mix_styles(model, recipe.mixed_styles)
        if next(model.parameters()).device.type == "cpu":
            quicken(model)
        return groups_of(model, recipe.pretrained_rate)

    def losses(self, batch: Batch, generator: torch.Generator) -> Mapping[str, Tensor]:
        """See `Stage`; names are those of `DetectionLosses`."""
        images = batch.images.contiguous(memory_format=torch.channels_last)
        losses = detection_losses(self.model, replace(batch, images=images), generator, self.recipe.lessons)
        return {"total": losses.total, **vars(losses)}

    def save(self, folder: Path) -> None:
        """See `Stage`."""
        write_detector_labels(folder, self.labels)
        checkpoint.save(folder, self.model, CheckpointInfo(self.name, self.origin, random=False))


def groups_of(model: TEE, pretrained_rate: float) -> list[ParameterGroup]:
    """Return all parameters that require gradients, by their learning rate.

    Args:
        model: A detector.
        pretrained_rate: See `DetectorRecipe`.
    """
    groups: dict[float, list[nn.Parameter]] = {}
    for name, value in model.named_parameters():
        if value.requires_grad:
            pretrained = name.startswith("backbone.efficientnet.") and ".se." not in name
            groups.setdefault(pretrained_rate if pretrained else 1.0, []).append(value)
    return [ParameterGroup(parameters=tuple(values), rate=rate) for rate, values in groups.items()]


def with_proposals(model: TEE, recipe: DetectorRecipe, name: str) -> TEE:
    """Return a detector with the same weights that proposes as many boxes as the recipe trains with.

    Args:
        model: As the registry has it.
        recipe: Whose number of proposals, and of anchors that go into NMS, count while training.
        name: Of the model, for messages.

    Raises:
        UserError: The recipe has other anchors than the model.
    """
    ours, theirs = model.config.rpn, recipe.rpn
    same = replace(theirs, pre_nms=ours.pre_nms, proposals=ours.proposals)
    if same != ours:
        raise UserError(
            f"the recipe trains anchors of {_listed(theirs.anchor_sizes)} pixels, and {name} has"
            f" {_listed(ours.anchor_sizes)}: take another model or recipe"
        )
    config = replace(model.config, rpn=replace(ours, pre_nms=theirs.pre_nms, proposals=theirs.proposals))
    made = build(config)
    assert isinstance(made, TEE)
    made.load_state_dict(model.state_dict())
    return made


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))
