"""What a model costs: its parameters, and the multiply-adds of a call."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


def count_params(module: nn.Module) -> tuple[int, int]:
    """Return parameters with BatchNorm running statistics, and without."""
    trainable = sum(parameter.numel() for parameter in module.parameters())
    running = sum(
        norm.running_mean.numel() + norm.running_var.numel()
        for norm in module.modules()
        if isinstance(norm, nn.BatchNorm2d) and norm.running_mean is not None and norm.running_var is not None
    )
    return trainable + running, trainable


def count_macs(call: Callable[[], Any]) -> tuple[int, Any]:
    """Run a call and return the multiply-adds of its convolutions and matrix products, and its result."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        result = call()
    return counter.get_total_flops() // 2, result  # the counter takes a multiply-add for two operations
