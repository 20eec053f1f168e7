"""Steps of training: forward, losses, backward, clipping, optimizer and learning rate."""

from dataclasses import dataclass

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from minivlm.errors import UserError
from minivlm.training.detection import Batch, DetectionLosses, detection_losses
from minivlm.training.optimization import ParameterGroup, build_optimizer, share_of_rate
from minivlm.training.recipes import DetectorRecipe
from minivlm.vision.tee import TEE


@dataclass(frozen=True, kw_only=True)
class Training:
    """A detector on its way.

    Attributes:
        model: The detector, in train mode where it learns.
        recipe: How.
        optimizer: Of its parameters that learn.
        schedule: Of the learning rates.
        generator: Source of chance, on the CPU.
    """

    model: TEE
    recipe: DetectorRecipe
    optimizer: Optimizer
    schedule: LambdaLR
    generator: torch.Generator


def begin(model: TEE, recipe: DetectorRecipe, steps: int, generator: torch.Generator) -> Training:
    """Make a detector ready to learn: frozen parts, modes, learning rates.

    Args:
        model: With the weights to start from, built with the recipe's `rpn`.
        recipe: How to train.
        steps: Of the whole training, for the cosine.
        generator: Source of chance, on the CPU.

    Raises:
        ValueError: The model has other anchors or proposals than the recipe.
    """
    if model.config.rpn != recipe.rpn:
        raise ValueError("build the detector with the recipe's anchors: replace(config, rpn=recipe.rpn)")
    model.train().requires_grad_()
    for name in recipe.frozen:
        model.get_submodule(name).eval().requires_grad_(False)
    for part in model.backbone.bifpn.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.momentum = recipe.bifpn_momentum
    optimizer = build_optimizer(recipe.optimization, groups_of(model, recipe))
    schedule = LambdaLR(optimizer, lambda step: share_of_rate(recipe.optimization, step, steps))
    return Training(model=model, recipe=recipe, optimizer=optimizer, schedule=schedule, generator=generator)


def groups_of(model: TEE, recipe: DetectorRecipe) -> list[ParameterGroup]:
    """Return all parameters that require gradients, by their learning rate."""
    groups: dict[float, list[nn.Parameter]] = {}
    for name, value in model.named_parameters():
        if value.requires_grad:
            pretrained = name.startswith("backbone.efficientnet.") and ".se." not in name
            groups.setdefault(recipe.pretrained_rate if pretrained else 1.0, []).append(value)
    return [ParameterGroup(parameters=tuple(values), rate=rate) for rate, values in groups.items()]


def take_step(training: Training, batch: Batch) -> DetectionLosses:
    """Learn from one batch.

    Args:
        training: Its model, optimizer and schedule move on.
        batch: On the model's device.

    Returns:
        The losses before the step, without gradients.

    Raises:
        UserError: The loss or its gradient is no number. No weight has moved; BatchNorm's statistics have.
    """
    model, recipe = training.model, training.recipe
    with torch.autocast(batch.images.device.type, dtype=torch.bfloat16, enabled=recipe.optimization.mixed):
        losses = detection_losses(model, batch, training.generator, recipe.lessons)
    training.optimizer.zero_grad()
    losses.total.backward()
    length = nn.utils.clip_grad_norm_(model.parameters(), recipe.optimization.clip)
    if not (losses.total.isfinite() and length.isfinite()):
        raise UserError(
            f"loss {losses.total.item()} with a gradient of length {length.item()} at step "
            f"{training.schedule.last_epoch + 1}: both must be finite; lower the recipe's learning_rate, "
            f"{recipe.optimization.learning_rate:g}, or look for pictures that are not"
        )
    training.optimizer.step()
    training.schedule.step()
    return losses.detached()
