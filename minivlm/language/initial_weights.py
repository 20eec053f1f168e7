"""How layers of the transformer get their first weights."""

import math

import torch
from torch import nn

INITIAL_STD = 0.02
"""BERT's "initializer_range"."""


def initialize_layer(module: nn.Module, generator: torch.Generator | None = None) -> None:
    """Initialise one layer as BERT does: weights normal, biases 0, LayerNorm the identity.

    Args:
        module: A linear layer, an embedding or a LayerNorm; anything else stays as it is.
        generator: Source of the numbers; None takes torch's own.
    """
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=INITIAL_STD, generator=generator)
        nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Embedding):
        nn.init.normal_(module.weight, std=INITIAL_STD, generator=generator)
    elif isinstance(module, nn.LayerNorm):
        module.reset_parameters()


@torch.no_grad()
def draw_linear(linear: nn.Linear, gain: float, generator: torch.Generator) -> None:
    """Draw normal weights that pass on inputs of standard deviation 1 as outputs of standard deviation `gain`."""
    linear.weight.normal_(0.0, gain / math.sqrt(linear.in_features), generator=generator)
    linear.bias.zero_()
