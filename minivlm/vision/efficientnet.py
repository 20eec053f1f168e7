"""EfficientNet feature maps from timm, as the TEE backbone uses them."""

from typing import Any

import torch
from torch import Tensor, nn


def import_timm() -> Any:
    """Import timm, also where torchvision's C++ library was built for another torch and does not load.

    timm needs torchvision's Python code only, but importing that fails when the schemas of two operators are missing.
    They are defined here where nobody else did; calling them still fails, and nothing here calls them.
    """
    schemas = {"nms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"}
    schemas["qnms"] = schemas["nms"]
    try:
        import torchvision  # noqa: F401  (defines the operators itself where its library loads)
    except RuntimeError:
        for name, signature in schemas.items():
            if not hasattr(torch.ops.torchvision, name):
                torch.library.define(f"torchvision::{name}", signature)
    import timm

    return timm


class EfficientNetFeatures(nn.Module):
    """The maps at strides 4, 8, 16 and 32 of an EfficientNet without its head convolution.

    Symmetric padding, BatchNorm eps 1e-3 and momentum 0.01, as in the paper's first author's detector (microsoft/GLIP
    `maskrcnn_benchmark/modeling/backbone/efficientdet.py`); timm's modules blocks.1, blocks.2, blocks.4, blocks.6.

    Args:
        name: timm's model name, such as "efficientnet_b0".
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.body = import_timm().create_model(
            name, features_only=True, out_indices=(1, 2, 3, 4), bn_eps=1e-3, bn_momentum=0.01, pretrained=False
        )
        self.channels: list[int] = self.body.feature_info.channels()

    def forward(self, image: Tensor) -> list[Tensor]:
        """Map (B, 3, H, W) normalised RGB to four maps (B, C, H / stride, W / stride)."""
        return self.body(image)
