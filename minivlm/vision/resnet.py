"""Bottleneck ResNet and ResNeXt (He et al. 2016, Xie et al. 2017), as the paper's baselines use them.

Two families are needed: MSRA's, with the stride in a block's first 1x1 convolution, and the later one with the stride
in the 3x3. Sources: peteanderson80/bottom-up-attention `models/vg/ResNet-101/*.prototxt` and
facebookresearch/detectron2 `modeling/backbone/resnet.py`.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# Gain of a residual branch in a random network. At 1, what sets a photo apart from the noise that the BatchNorms were
# fitted to grows from block to block: scores of R101-F spread three times as far on one photo as on another.
RANDOM_RESIDUAL_GAIN = 0.25


@dataclass(frozen=True, kw_only=True)
class ResNetConfig:
    """Architecture of a ResNet. Stages are counted from 0: stage 0 is C2 of the literature, stage 3 is C5 ("res5").

    Attributes:
        blocks: Bottleneck blocks a stage.
        stem_channels: Output channels of the 7x7 convolution.
        inner_channels: Channels of the 3x3 convolutions of stage 0, all groups together; doubles with every stage.
        outer_channels: Output channels of stage 0; doubles with every stage.
        groups: Groups of the 3x3 convolutions.
        stride_in: The convolution of a stage's first block that has the stride.
        stem_pool: "caffe" pads nothing and rounds the size up, "padded" pads one pixel and rounds it down. Both halve
            an even size, with windows one pixel apart.
    """

    blocks: tuple[int, int, int, int]
    stem_channels: int = 64
    inner_channels: int = 64
    outer_channels: int = 256
    groups: int = 1
    stride_in: Literal["1x1", "3x3"]
    stem_pool: Literal["caffe", "padded"]

    def stage_channels(self, stage: int) -> int:
        """Return the output channels of a stage."""
        return self.outer_channels * 2**stage


class ConvNorm(nn.Module):
    """A convolution without bias that keeps the size at stride 1, and its BatchNorm."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int, *, stride: int = 1, dilation: int = 1, groups: int = 1
    ) -> None:
        padding = dilation * (kernel // 2)
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel, stride, padding, dilation, groups, bias=False)
        self.norm = nn.BatchNorm2d(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in_channels, H, W) to (N, out_channels, H / stride, W / stride)."""
        return self.norm(self.conv(x))


class Stem(nn.Module):
    """7x7 convolution and 3x3 max-pooling, both with stride 2."""

    def __init__(self, config: ResNetConfig) -> None:
        super().__init__()
        self.conv = ConvNorm(3, config.stem_channels, 7, stride=2)
        padded = config.stem_pool == "padded"
        self.pool = nn.MaxPool2d(3, stride=2, padding=1 if padded else 0, ceil_mode=not padded)

    def forward(self, image: Tensor) -> Tensor:
        """Map (B, 3, H, W) to (B, C, H / 4, W / 4)."""
        return self.pool(F.relu(self.conv(image)))


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 and a shortcut, which is a projection where the shape changes."""

    def __init__(
        self, config: ResNetConfig, in_channels: int, inner: int, out_channels: int, *, stride: int, dilation: int
    ) -> None:
        super().__init__()
        first, middle = (stride, 1) if config.stride_in == "1x1" else (1, stride)
        self.reduce = ConvNorm(in_channels, inner, 1, stride=first)
        self.conv = ConvNorm(inner, inner, 3, stride=middle, dilation=dilation, groups=config.groups)
        self.expand = ConvNorm(inner, out_channels, 1)
        self.shortcut = (
            nn.Identity()
            if stride == 1 and in_channels == out_channels
            else ConvNorm(in_channels, out_channels, 1, stride=stride)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in_channels, H, W) to (N, out_channels, H / stride, W / stride)."""
        inner = F.relu(self.conv(F.relu(self.reduce(x))))
        return F.relu(self.expand(inner) + self.shortcut(x))


def build_stage(config: ResNetConfig, stage: int, *, stride: int, dilation: int = 1) -> nn.Sequential:
    """Return the blocks of one stage; the first has the stride, the 3x3 convolution of each has the dilation."""
    out_channels, inner = config.stage_channels(stage), config.inner_channels * 2**stage
    in_channels = config.stage_channels(stage - 1) if stage > 0 else config.stem_channels
    blocks = [Bottleneck(config, in_channels, inner, out_channels, stride=stride, dilation=dilation)]
    for _ in range(config.blocks[stage] - 1):
        blocks.append(Bottleneck(config, out_channels, inner, out_channels, stride=1, dilation=dilation))
    return nn.Sequential(*blocks)


class ResNet(nn.Sequential):
    """The stem and the first `stages` stages: 3 give C4 at stride 16, 4 give C5 at stride 32."""

    def __init__(self, config: ResNetConfig, stages: int) -> None:
        built = (build_stage(config, stage, stride=1 if stage == 0 else 2) for stage in range(stages))
        super().__init__(Stem(config), *built)


@torch.no_grad()
def damp_residuals(module: nn.Module) -> None:
    """Lower the gain of every residual branch, for random weights that stay calm in deep networks."""
    for layer in module.modules():
        if isinstance(layer, Bottleneck):
            nn.init.constant_(layer.expand.norm.weight, RANDOM_RESIDUAL_GAIN)
