"""Equivalent forms of a model that runtimes take better than the form that reads best."""

import copy
from itertools import pairwise

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from minivlm.ops import NMS
from minivlm.ops.nms import Repeat
from minivlm.vision.bifpn import FusionNode, WeightedSum


def prepared(module: nn.Module, repeat: Repeat) -> nn.Module:
    """Return a copy of a model in inference form; it computes the same up to the rounding of folded constants.

    BatchNorms are folded into their convolutions. BiFPN fusion weights become numbers, because sums over scalars
    taken from a parameter stay outside delegates.

    Args:
        module: A model in eval mode.
        repeat: How the steps of NMS are laid out in the graph.
    """
    module = copy.deepcopy(module)
    fold_batch_norms(module)
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
