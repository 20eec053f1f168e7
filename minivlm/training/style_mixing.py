"""Pictures in each other's style while a detector learns: MixStyle (Zhou et al. 2021, arXiv 2104.02008).

In a network's first layers, how an artist draws is mostly in each channel's mean and spread over a picture, and what
is drawn is in the pattern that is left. A picture that gets a little of another one's mean and spread shows the same
things as drawn by somebody else.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.distributions import Beta

PLACES = tuple(f"backbone.efficientnet.body.blocks.{stage}" for stage in range(3))
"""Modules of a TEE whose outputs are mixed; later ones hold what a thing is, and no longer how it is drawn."""
CONCENTRATION = 0.2
"""Of the Beta distribution that says how much of its own style a picture keeps: mostly nearly all or nothing."""
_LEAST = 1e-5
"""Of a spread: a channel that is the same all over a picture has none."""


def in_style_of(features: Tensor, others: Tensor, kept: Tensor) -> Tensor:
    """Give each picture some of another one's style.

    Args:
        features: (B, C, H, W) float.
        others: (B,) int64, the picture in the batch that each takes from.
        kept: (B, 1, 1, 1) float32 from 0 to 1, how much of its own style each keeps.

    Returns:
        (B, C, H, W) of the same dtype. Gradients do not pass through means and spreads.
    """
    values = features.to(torch.float32)
    mean = values.mean((2, 3), keepdim=True).detach()
    spread = values.std((2, 3), correction=0, keepdim=True).detach() + _LEAST
    wanted_mean, wanted_spread = (kept * one + (1.0 - kept) * one[others] for one in (mean, spread))
    return ((values - mean) / spread * wanted_spread + wanted_mean).to(features.dtype)


def mix_styles(model: nn.Module, share: float, places: Sequence[str] = PLACES) -> None:
    """Let a model mix its pictures' styles from now on, wherever it learns.

    Chance is PyTorch's of the CPU, as dropout's is, which the trainer seeds anew for each step.

    Args:
        model: Mixes in train mode and with gradients only.
        share: Of its forward passes in which a place mixes, each place for itself.
        places: Names of modules that give (B, C, H, W).
    """

    def mix(module: nn.Module, inputs: tuple[Tensor, ...], features: Tensor) -> Tensor | None:
        # The frozen first stages are in eval mode while the model learns, so the model says whether it does.
        if not (model.training and torch.is_grad_enabled()) or float(torch.rand(())) >= share:
            return None
        kept = Beta(CONCENTRATION, CONCENTRATION).sample((len(features), 1, 1, 1)).to(features.device)
        return in_style_of(features, torch.randperm(len(features)).to(features.device), kept)

    for name in places:
        model.get_submodule(name).register_forward_hook(mix)
