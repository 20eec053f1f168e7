"""Which of the matched boxes learn in one step: a few of each picture, lest the background drown the objects."""

from dataclasses import dataclass

import torch
from torch import Tensor

from minivlm.training.matching import BACKGROUND, ROI_MATCHING, Truth, match_boxes


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How many boxes of a picture learn.

    Attributes:
        count: At most, objects and background together.
        positive_share: Of the count, the most that are matched with objects; background fills the rest.
    """

    count: int
    positive_share: float


ANCHOR_SAMPLING = Sampling(count=256, positive_share=0.5)
"""maskrcnn-benchmark's defaults, as Ren et al. (2015)."""
ROI_SAMPLING = Sampling(count=512, positive_share=0.25)
"""maskrcnn-benchmark's defaults, which the kin of the TEE that `minivlm.training.matching` names keeps."""
SMALL_ROI_SAMPLING = Sampling(count=64, positive_share=0.5)
"""Of bottom-up attention (Anderson et al. 2018): what a CPU trains with."""


def sample(matches: Tensor, rule: Sampling, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw boxes by chance.

    Args:
        matches: (N,) int64, see `match_boxes`.
        rule: How many.
        generator: Source of chance, on the CPU: the same on every device.

    Returns:
        (P,) and (Q,) int64 rows of boxes that have an object, and of background.
    """
    positive = _some(matches >= 0, int(rule.count * rule.positive_share), generator)
    return positive, _some(matches == BACKGROUND, rule.count - len(positive), generator)


def _some(of: Tensor, most: int, generator: torch.Generator) -> Tensor:
    """Return rows of (N,) bool, at most so many."""
    rows = of.nonzero().flatten()
    return rows[torch.randperm(len(rows), generator=generator)[:most].to(rows.device)]


@dataclass(frozen=True, kw_only=True)
class Rois:
    """Boxes of one picture that the box head learns from.

    Attributes:
        boxes: (R, 4) float32 xyxy pixels, those with objects first.
        objects: (P,) int64 row in the truth of the first P.
        classes: (R,) int64, 0 for the background.
    """

    boxes: Tensor
    objects: Tensor
    classes: Tensor


def sample_rois(proposals: Tensor, truth: Truth, rule: Sampling, generator: torch.Generator) -> Rois:
    """Match proposals and the annotated boxes themselves, and draw some.

    Without the annotated boxes a young proposal network would show the box head no object at all.

    Args:
        proposals: (N, 4) xyxy pixels, valid ones only.
        truth: Of the picture.
        rule: How many.
        generator: As `sample` takes it.
    """
    boxes = torch.cat([proposals, truth.boxes])
    matches = match_boxes(boxes, truth, ROI_MATCHING)
    positive, negative = sample(matches, rule, generator)
    objects = matches[positive]
    classes = torch.cat([truth.classes[objects], truth.classes.new_zeros(len(negative))])
    return Rois(boxes=boxes[torch.cat([positive, negative])], objects=objects, classes=classes)
