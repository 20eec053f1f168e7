"""Parameters and multiply-adds of every model at a stated input, on the meta device: no weight is allocated.

Conventions, fitted to every value of the paper that could be tested: parameters include BatchNorm's running mean and
variance; a multiply-add counts once; convolutions, linear layers and attention's matrix products count, element-wise
work does not; the attribute head, of which the paper tells no numbers, counts nowhere.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from minivlm.language.transformer import FusionTransformer
from minivlm.models.costs import count_macs, count_params
from minivlm.models.registry import build, get_config
from minivlm.models.samples import REGIONS, TEXT_TOKENS
from minivlm.vision.faster_rcnn import FasterRCNN
from minivlm.vision.grid import GridExtractor
from minivlm.vision.tee import TEE


@dataclass(frozen=True)
class OperatingPoint:
    """The input a model is counted at.

    Attributes:
        height: Of the network's input in pixels.
        width: Of the network's input in pixels.
        rois: Regions that go through the box head.
    """

    height: int
    width: int
    rois: int = 0

    def __str__(self) -> str:
        return f"{self.height}x{self.width}" + (f", {self.rois} RoIs" if self.rois else "")


OPERATING_POINTS = {
    "r101-f": OperatingPoint(600, 800, 235),
    "grid-r50": OperatingPoint(600, 800),
    "grid-x101": OperatingPoint(600, 800),
    "tee-0": OperatingPoint(512, 736, 290),
    "tee-1": OperatingPoint(640, 864, 300),
    "tee-2": OperatingPoint(768, 1024, 300),
    "tee-3": OperatingPoint(896, 1216, 300),
    "tee-lite-0": OperatingPoint(512, 736, 290),
    "tee-sample": OperatingPoint(512, 512, 300),
    "tee-lite-sample": OperatingPoint(512, 512, 300),
    "r101-f-tiny": OperatingPoint(128, 160, 20),
    "grid-tiny": OperatingPoint(128, 160),
    "tee-tiny": OperatingPoint(128, 160, 40),
}
"""One 4:3 photo a model. The paper's costs are means over photos it does not name; these sizes have its short sides
and come closest among those whose sides the models take."""


@dataclass(frozen=True)
class Count:
    """What one component costs.

    Attributes:
        params: Parameters and BatchNorm running statistics.
        trainable: Parameters only.
        macs: Multiply-adds of one pass.
    """

    params: int
    trainable: int
    macs: int

    def __add__(self, other: "Count") -> "Count":
        return Count(self.params + other.params, self.trainable + other.trainable, self.macs + other.macs)


def _component(module: nn.Module, *inputs: Any) -> tuple[Count, Any]:
    macs, result = count_macs(lambda: module(*inputs))
    return Count(*count_params(module), macs), result


def count_model(name: str, point: OperatingPoint | None = None) -> dict[str, Count]:
    """Count a model's components.

    Args:
        name: A vision extractor or transformer of the registry.
        point: The input; None takes `OPERATING_POINTS`. Transformers take 35 text tokens and 50 regions.

    Returns:
        By component, in the paper's order; "total" is last.
    """
    with torch.device("meta"):
        module = build(get_config(name))
        if isinstance(module, FusionTransformer):
            return {"total": _count_transformer(module)}
        if not isinstance(module, TEE | FasterRCNN | GridExtractor):
            raise TypeError(f"{name} is not one extractor or transformer; count its parts")
        point = point or OPERATING_POINTS[name]
        image = torch.empty(1, 3, point.height, point.width)
        if isinstance(module, GridExtractor):
            return {"total": _component(module, image)[0]}
        return _count_detector(module, image, point.rois)


def _count_transformer(module: FusionTransformer) -> Count:
    ids = torch.zeros(1, TEXT_TOKENS, dtype=torch.int64)
    regions = torch.empty(1, REGIONS, module.config.region_dim)
    return _component(module, ids, ids, ids, regions, torch.zeros(1, 1, TEXT_TOKENS + REGIONS))[0]


def _count_detector(module: TEE | FasterRCNN, image: Tensor, rois: int) -> dict[str, Count]:
    backbone, features = _component(module.backbone, image)
    rpn, _ = _component(module.rpn, features)
    channels = (features[0] if isinstance(features, list) else features).shape[1]
    pooled = torch.empty(rois, channels, module.config.pool_size, module.config.pool_size)
    head, _ = _component(module.box_head, pooled)
    return {"backbone": backbone, "rpn": rpn, "box_head": head, "total": backbone + rpn + head}
