"""Optimization: learning rates by arithmetic, groups of the optimizer by what they hold."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from minivlm.training.optimization import SGD, AdamW, Optimization, ParameterGroup, build_optimizer, share_of_rate

SMALL = Optimization(
    optimizer=AdamW(betas=(0.9, 0.99)),
    learning_rate=1e-3,
    weight_decay=1e-4,
    batch=8,
    epochs=1,
    warmup=60,
    warmup_start=0.0,
    final=0.02,
)
LARGE = replace(SMALL, optimizer=SGD(momentum=0.9), warmup=500, warmup_start=1.0 / 3.0, final=0.0)
LINEAR = replace(SMALL, decay="linear")


@pytest.mark.parametrize(
    ("optimization", "step", "share"),
    [
        (SMALL, 0, 1 / 60),
        (SMALL, 59, 1.0),
        (SMALL, 60, 1.0),
        (SMALL, 330, 0.51),  # half of the way from 60 to 600
        (SMALL, 600, 0.02),
        (SMALL, 700, 0.02),
        (LARGE, 249, 2 / 3),
        (LARGE, 600, 0.0),
        (LINEAR, 59, 1.0),
        (LINEAR, 60, 1.0),
        (LINEAR, 195, 0.755),  # a quarter of the way from 1 to 0.02
        (LINEAR, 600, 0.02),
    ],
)
def test_rates_rise_and_fall(optimization: Optimization, step: int, share: float):
    assert share_of_rate(optimization, step, 600) == pytest.approx(share, abs=1e-12)


@pytest.mark.parametrize(("optimization", "kind"), [(SMALL, torch.optim.AdamW), (LARGE, torch.optim.SGD)])
def test_vectors_have_no_weight_decay_and_groups_their_rates(optimization: Optimization, kind: type):
    first, second = nn.Linear(2, 3), nn.Linear(3, 1)
    groups = [
        ParameterGroup(parameters=tuple(first.parameters()), rate=0.3),
        ParameterGroup(parameters=tuple(second.parameters())),
    ]
    optimizer = build_optimizer(optimization, groups)
    assert isinstance(optimizer, kind)
    found = {
        id(value): (group["lr"], group["weight_decay"]) for group in optimizer.param_groups for value in group["params"]
    }
    assert found == {
        id(first.weight): (3e-4, 1e-4),
        id(first.bias): (3e-4, 0.0),
        id(second.weight): (1e-3, 1e-4),
        id(second.bias): (1e-3, 0.0),
    }
