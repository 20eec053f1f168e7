"""How a photo's pixels are normalised: part of a model's configuration, since weights fit one format only."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class PixelFormat:
    """Channel order and statistics of a network's input.

    Attributes:
        channels: Order of the three channels.
        mean: Subtracted, on the scale 0..255, in that order.
        std: Divided by afterwards, on the same scale and in the same order.
    """

    channels: Literal["rgb", "bgr"]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def normalise(self, photo: Tensor) -> Tensor:
        """Return the network's input for a photo, (1, 3, H, W) RGB with values 0..255; the result is float32."""
        ordered = photo if self.channels == "rgb" else photo.flip(1)
        mean, std = (torch.tensor(values, device=photo.device)[:, None, None] for values in (self.mean, self.std))
        return (ordered - mean) / std


# torchvision's and timm's statistics of ImageNet.
IMAGENET_RGB = PixelFormat(channels="rgb", mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375))
# peteanderson80/bottom-up-attention `lib/fast_rcnn/config.py`: Caffe-era means; the scale is in the first weights.
CAFFE_BGR = PixelFormat(channels="bgr", mean=(102.9801, 115.9465, 122.7717), std=(1.0, 1.0, 1.0))
# facebookresearch/detectron2 `config/defaults.py`, for its converted MSRA weights: scale in the first weights, too.
MSRA_BGR = PixelFormat(channels="bgr", mean=(103.53, 116.28, 123.675), std=(1.0, 1.0, 1.0))
# facebookresearch/grid-feats-vqa `X-101-*.yaml`.
RESNEXT_BGR = PixelFormat(channels="bgr", mean=(103.53, 116.28, 123.675), std=(57.375, 57.12, 58.395))
