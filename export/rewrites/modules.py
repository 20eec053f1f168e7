"""Equivalent forms of a model that runtimes take better than the form that reads best."""

import copy
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from minivlm.ops import NMS
from minivlm.ops.nms import Repeat
from minivlm.vision.bifpn import FusionNode, WeightedSum
from minivlm.vision.efficientnet import import_timm


def prepared(module: nn.Module, repeat: Repeat) -> nn.Module:
    """Return a copy of a model in inference form; it computes the same up to the rounding of folded constants.

    BatchNorms are folded into their convolutions. BiFPN fusion weights become numbers, because sums over scalars
    taken from a parameter stay outside delegates. Means over whole maps are taken in two stages, see `staged_mean`.
    Nothing in the copy can be trained, so whoever calibrates, traces or compares it records no gradients.

    Args:
        module: A model in eval mode.
        repeat: How the steps of NMS are laid out in the graph.
    """
    module = copy.deepcopy(module).requires_grad_(False)
    fold_batch_norms(module)
    stage_means(module)
    for part in module.modules():
        if isinstance(part, FusionNode) and isinstance(part.fusion, WeightedSum):
            part.fusion = part.fusion.frozen()
        elif isinstance(part, NMS):
            part.repeat = repeat
    return module


@torch.no_grad()
def fold_batch_norms(module: nn.Module) -> None:
    """Fold every BatchNorm that is registered right after a convolution into it, in place.

    In timm's EfficientNet and in this project that order of registration is the order of execution. timm's BatchNorm
    carries the activation that follows; it takes the BatchNorm's place.
    """
    for parent in list(module.modules()):
        for (name, convolution), (norm_name, norm) in pairwise(list(parent.named_children())):
            if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(parent, name, fuse_conv_bn_eval(convolution, norm))
                setattr(parent, norm_name, getattr(norm, "act", nn.Identity()))


def replace_nms(module: nn.Module, stand_in: Callable[[NMS], nn.Module]) -> None:
    """Replace every `NMS` by what a function makes of it, in place."""
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, NMS):
                setattr(parent, name, stand_in(child))


WINDOW = 16
"""Longest side of the windows in which a map is averaged first."""
MOST_CELLS = 1024
"""That are added up one after another."""


def staged_mean(feature: Tensor) -> Tensor:
    """Return the (1, C, 1, 1) mean of a (1, C, H, W) map, windows first.

    XNNPACK adds up a whole map one value after another in fp32. Over the 65,536 cells of the first block's map that
    costs 55 dB: the first level came out at 75 dB against PyTorch, where every convolution alone reaches 130.

    What is left of maps for inputs of more than a million pixels, or of sides of a prime number of cells, is averaged
    by columns and then by rows.

    Nothing is padded; saying that padding would not count lets XNNPACK take the pooling. With all sixteen outside, each
    tearing the delegate in two, the ExecuTorch backbone took 234 ms instead of 68.
    """
    windows = [max(side for side in range(1, WINDOW + 1) if size % side == 0) for size in feature.shape[2:]]
    pooled = F.avg_pool2d(feature, windows, stride=windows, count_include_pad=False)
    height, width = pooled.shape[2:]
    if height * width > MOST_CELLS:
        pooled = F.avg_pool2d(pooled, [height, 1], stride=[height, 1], count_include_pad=False)
    return pooled.mean((2, 3), keepdim=True)


class StagedSqueezeExcite(nn.Module):
    """timm's squeeze-and-excitation block with `staged_mean`."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.excite = nn.Sequential(
            block.get_submodule("conv_reduce"),
            block.get_submodule("act1"),
            block.get_submodule("conv_expand"),
            block.get_submodule("gate"),
        )

    def forward(self, feature: Tensor) -> Tensor:
        """Scale the channels of a (1, C, H, W) map."""
        return feature * self.excite(staged_mean(feature))


def stage_means(module: nn.Module) -> None:
    """Replace timm's squeeze-and-excitation blocks, in place."""
    block = import_timm().models._efficientnet_blocks.SqueezeExcite
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, block):
                setattr(parent, name, StagedSqueezeExcite(child))
