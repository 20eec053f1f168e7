"""Grid features (Jiang et al. 2020): every cell of C5 is a region, and no region is ever selected.

The rows "Grid R50" and "Grid X101" of Table 1. Trained as a detector with dilated C5, extracted without the dilation,
at stride 32 (facebookresearch/grid-feats-vqa `extract_grid_feature.py`).
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from minivlm.vision import random_weights
from minivlm.vision.pixels import MSRA_BGR, RESNEXT_BGR, PixelFormat
from minivlm.vision.resnet import ResNet, ResNetConfig, damp_residuals


@dataclass(frozen=True, kw_only=True)
class GridConfig:
    """Architecture of a grid extractor.

    Attributes:
        resnet: The whole network, C1..C5.
        short_side: Photos are scaled until their short side has so many pixels,
        longest_side: or their long side so many, whichever comes first.
        pixels: How pixels are normalised.
    """

    resnet: ResNetConfig
    short_side: int = 600
    longest_side: int = 1000
    pixels: PixelFormat

    @property
    def feature_dim(self) -> int:
        """Length of a cell's feature."""
        return self.resnet.stage_channels(3)


GRID_R50 = GridConfig(
    resnet=ResNetConfig(blocks=(3, 4, 6, 3), stride_in="1x1", stem_pool="padded"),
    pixels=MSRA_BGR,
)
GRID_X101 = GridConfig(
    resnet=ResNetConfig(blocks=(3, 4, 23, 3), inner_channels=256, groups=32, stride_in="3x3", stem_pool="padded"),
    pixels=RESNEXT_BGR,
)
GRID_TINY = GridConfig(
    resnet=ResNetConfig(
        blocks=(1, 1, 1, 1),
        stem_channels=8,
        inner_channels=16,
        outer_channels=32,
        groups=4,
        stride_in="3x3",
        stem_pool="padded",
    ),
    short_side=128,
    longest_side=224,
    pixels=RESNEXT_BGR,
)


class GridExtractor(nn.Module):
    """A fully convolutional extractor."""

    def __init__(self, config: GridConfig) -> None:
        super().__init__()
        self.config = config
        self.backbone = ResNet(config.resnet, stages=4)

    def forward(self, image: Tensor) -> Tensor:
        """Describe every cell.

        Args:
            image: (B, 3, H, W) float32, normalised as `config.pixels` says.

        Returns:
            (B, cells, D): ceil(H / 32) x ceil(W / 32) cells, row by row.
        """
        return self.backbone(image).flatten(2).transpose(1, 2)

    @torch.no_grad()
    def randomize(self, generator: torch.Generator) -> None:
        """Draw weights, and fit every BatchNorm to a noise image, so that no layer's activations vanish or explode."""
        random_weights.draw_weights(self, generator)
        damp_residuals(self)
        image = random_weights.noise_input(224, 224, self.config.pixels, generator)
        random_weights.settle_batch_norm(self.backbone, image)
