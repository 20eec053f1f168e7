"""Steps of training: forward, losses, backward, clipping, optimizer and learning rate."""

import math
from dataclasses import dataclass

import torch
from torch import nn
from torch.optim import SGD, AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from minivlm.errors import UserError
from minivlm.training import recipes
from minivlm.training.detection import Batch, DetectionLosses, detection_losses
from minivlm.training.recipes import Recipe
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
    recipe: Recipe
    optimizer: Optimizer
    schedule: LambdaLR
    generator: torch.Generator


def begin(model: TEE, recipe: Recipe, steps: int, generator: torch.Generator) -> Training:
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
    optimizer = optimizer_of(model, recipe)
    schedule = LambdaLR(optimizer, lambda step: share_of_rate(recipe, step, steps))
    return Training(model=model, recipe=recipe, optimizer=optimizer, schedule=schedule, generator=generator)


def optimizer_of(model: TEE, recipe: Recipe) -> Optimizer:
    """Return the recipe's optimizer of all parameters that require gradients, in groups by rate and weight decay."""
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, value in model.named_parameters():
        if value.requires_grad:
            pretrained = name.startswith("backbone.efficientnet.") and ".se." not in name
            rate = recipe.learning_rate * (recipe.pretrained_rate if pretrained else 1.0)
            decay = recipe.weight_decay if value.ndim > 1 else 0.0
            groups.setdefault((rate, decay), []).append(value)
    parameters = [{"params": values, "lr": rate, "weight_decay": decay} for (rate, decay), values in groups.items()]
    if isinstance(recipe.optimizer, recipes.SGD):
        return SGD(parameters, momentum=recipe.optimizer.momentum)
    return AdamW(parameters, betas=recipe.optimizer.betas)


def share_of_rate(recipe: Recipe, step: int, steps: int) -> float:
    """Return the share of the learning rates at a step, counted from 0: linear warm-up, then half a cosine."""
    if step < recipe.warmup:
        return recipe.warmup_start + (1.0 - recipe.warmup_start) * (step + 1) / recipe.warmup
    done = min((step - recipe.warmup) / max(steps - recipe.warmup, 1), 1.0)
    return recipe.final + (1.0 - recipe.final) * 0.5 * (1.0 + math.cos(math.pi * done))


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
    with torch.autocast(batch.images.device.type, dtype=torch.bfloat16, enabled=recipe.mixed):
        losses = detection_losses(model, batch, training.generator, recipe.lessons)
    training.optimizer.zero_grad()
    losses.total.backward()
    length = nn.utils.clip_grad_norm_(model.parameters(), recipe.clip)
    if not (losses.total.isfinite() and length.isfinite()):
        raise UserError(
            f"loss {losses.total.item()} with a gradient of length {length.item()} at step "
            f"{training.schedule.last_epoch + 1}: both must be finite; lower the recipe's learning_rate, "
            f"{recipe.learning_rate:g}, or look for pictures that are not"
        )
    training.optimizer.step()
    training.schedule.step()
    return losses.detached()
