"""How weights move, whatever they learn: optimizer, learning rate, clipping, averaging, precision."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn


@dataclass(frozen=True, kw_only=True)
class SGD:
    """Stochastic gradient descent.

    Attributes:
        momentum: Share of the last step that is taken again.
    """

    momentum: float


@dataclass(frozen=True, kw_only=True)
class AdamW:
    """Loshchilov and Hutter (2019).

    Attributes:
        betas: How long the averages of gradients and of their squares remember.
    """

    betas: tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Optimization:
    """The part of a recipe that detector and language stages share.

    Attributes:
        optimizer: Which, and what only it has.
        learning_rate: Of a step on a whole batch, after the warm-up.
        weight_decay: Of weights; vectors, such as biases and norms, have none.
        batch: Examples a step, over all processes.
        accumulate: Parts of the batch that a process computes one after another, to need less memory.
        epochs: How often each example is shown.
        warmup: Steps of linear warm-up.
        warmup_start: Share of the learning rate that the warm-up rises from; its last step is at the full rate.
        final: Share of the learning rate at the end.
        decay: How it falls there: half a cosine (Loshchilov and Hutter 2017), or a straight line.
        clip: Largest length of all gradients together, infinite where they are not clipped.
        mixed: Whether layers compute in bfloat16 (autocast).
        ema: Share of its old value that the average of the weights keeps in a step (Polyak); 0 keeps no average.
    """

    optimizer: SGD | AdamW
    learning_rate: float
    weight_decay: float
    batch: int
    epochs: int
    warmup: int
    warmup_start: float
    final: float
    accumulate: int = 1
    decay: Literal["cosine", "linear"] = "cosine"
    clip: float = math.inf
    mixed: bool = False
    ema: float = 0.0


@dataclass(frozen=True, kw_only=True)
class ParameterGroup:
    """Weights that learn alike.

    Attributes:
        parameters: That require gradients.
        rate: Share of the recipe's learning rate.
    """

    parameters: tuple[nn.Parameter, ...]
    rate: float = 1.0


def build_optimizer(optimization: Optimization, groups: Sequence[ParameterGroup]) -> torch.optim.Optimizer:
    """Return the optimizer of all groups, in each of which vectors have no weight decay."""
    settings: list[dict[str, Any]] = []
    for group in groups:
        vectors = [value for value in group.parameters if value.ndim <= 1]
        others = [value for value in group.parameters if value.ndim > 1]
        rate = optimization.learning_rate * group.rate
        for values, decay in ((others, optimization.weight_decay), (vectors, 0.0)):
            if values:
                settings.append({"params": values, "lr": rate, "weight_decay": decay})
    if isinstance(optimization.optimizer, SGD):
        return torch.optim.SGD(settings, momentum=optimization.optimizer.momentum)
    return torch.optim.AdamW(settings, betas=optimization.optimizer.betas, fused=True)  # on CPUs a quarter of the time


def share_of_rate(optimization: Optimization, step: int, steps: int) -> float:
    """Return the share of the learning rates at a step, counted from 0: linear warm-up, then a fall to `final`.

    Args:
        optimization: For warm-up, decay and the last share.
        step: Counted from 0.
        steps: Of the whole training.
    """
    warmup, start = optimization.warmup, optimization.warmup_start
    if step < warmup:
        return start + (1.0 - start) * (step + 1) / warmup
    done = min((step - warmup) / max(steps - warmup, 1), 1.0)
    left = 1.0 - done if optimization.decay == "linear" else 0.5 * (1.0 + math.cos(math.pi * done))
    return optimization.final + (1.0 - optimization.final) * left
