"""Which annotated object an anchor or a proposal is to find, and which ones are background (Ren et al. 2015).

The numbers are the defaults of maskrcnn-benchmark, of which MiniVLM's first author's fork trains the nearest published
kin of the TEE (`configs/e2e_faster_rcnn_efficient_det_tb.yaml` in amsword/maskrcnn-benchmark): the paper gives none.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from minivlm.ops import box_iou, nonempty
from minivlm.ops.boxes import SMALLEST, box_area

BACKGROUND = -1
"""Matches no object."""
IGNORED = -2
"""Neither object nor background: learns nothing."""

CROWD_SHARE = 0.7
"""Share of a box's own area within a crowd from which on it is no background (Detectron's `CROWD_FILTER_THRESH`)."""


@dataclass(frozen=True, kw_only=True)
class Truth:
    """What is annotated in one picture, of which there may be nothing; or in several, see `side_by_side`.

    Attributes:
        boxes: (..., G, 4) float32 xyxy pixels of the network's input, with width and height.
        classes: (..., G) int64; the background is class 0, so objects start at 1.
        attributes: (..., G, A) bool, which of the detector's attribute classes each object has; none where nobody said.
        crowds: (..., C, 4) float32 xyxy pixels around many objects each: what lies within is neither asked for nor
            punished.
    """

    boxes: Tensor
    classes: Tensor
    attributes: Tensor
    crowds: Tensor

    def __post_init__(self) -> None:
        if self.classes.ndim > 1:
            return  # of pictures that were looked at, one by one
        rows = {len(self.boxes), len(self.classes), len(self.attributes)}
        if len(rows) > 1:
            raise ValueError(f"boxes, classes and attributes describe the same objects: not {sorted(rows)} rows")
        if not nonempty(self.boxes).all():
            raise ValueError("an annotated box has width and height: leave others out")
        if (self.classes < 1).any():
            raise ValueError("class 0 is the background: classes of objects start at 1")

    def to(self, device: torch.device) -> "Truth":
        """Return the same on a device."""
        return Truth(**{name: value.to(device) for name, value in vars(self).items()})


def side_by_side(truths: Sequence[Truth]) -> Truth:
    """Return what is annotated in several pictures, with a first dimension for these.

    Where a picture has fewer objects or crowds than another, rows only fill: their boxes are empty, and their class is
    the background's. There is at least one row of objects.
    """
    return Truth(
        boxes=_filled([truth.boxes for truth in truths]),
        classes=_filled([truth.classes for truth in truths]),
        attributes=_filled([truth.attributes for truth in truths]),
        crowds=_filled([truth.crowds for truth in truths]),
    )


def _filled(each: Sequence[Tensor]) -> Tensor:
    """Return (n, ...) tensors as (B, most of n and 1, ...), with zeros at the end."""
    made = each[0].new_zeros((len(each), max(1, *(len(one) for one in each)), *each[0].shape[1:]))
    for place, one in zip(made, each, strict=True):
        place[: len(one)] = one
    return made


@dataclass(frozen=True, kw_only=True)
class Matching:
    """From overlaps to matches.

    Attributes:
        positive: Least IoU with an object of a box that is to find it.
        negative: IoU with every object below which a box is background; between the two it learns nothing.
        best_counts: Whether the boxes that overlap an object most are to find it, however little that is.
    """

    positive: float
    negative: float
    best_counts: bool


ANCHOR_MATCHING = Matching(positive=0.7, negative=0.3, best_counts=True)
ROI_MATCHING = Matching(positive=0.5, negative=0.5, best_counts=False)


def match_boxes(boxes: Tensor, truth: Truth, rule: Matching) -> Tensor:
    """Give each box the object that it overlaps most.

    Args:
        boxes: (..., N, 4) xyxy pixels; (N, 4) are those of every picture.
        truth: Of their picture, or pictures.
        rule: What overlaps count.

    Returns:
        (..., N) int64 row of `truth.boxes`, or `BACKGROUND`, or `IGNORED`.
    """
    background = torch.where(within_crowds(boxes, truth.crowds), IGNORED, BACKGROUND)
    if not truth.boxes.shape[-2] or not boxes.shape[-2]:
        return background
    overlap = box_iou(boxes, truth.boxes)  # (..., N, G)
    most, rows = overlap.max(dim=-1)
    found = most >= rule.positive
    if rule.best_counts:
        best = overlap.max(dim=-2, keepdim=True).values
        # An object that no box touches has a best overlap of 0, which would make every distant box one of its best.
        found |= ((overlap == best) & (best > 0.0)).any(dim=-1)
    return torch.where(found, rows, torch.where(most < rule.negative, background, IGNORED))


def match_anchors(anchors: Tensor, truth: Truth, extent: Tensor, *, crossing: bool) -> Tensor:
    """Match as `ANCHOR_MATCHING` says.

    Args:
        anchors: (N, 4) xyxy pixels.
        truth: Of the picture, or pictures.
        extent: (..., 2) height and width in pixels of each photo within the network's input.
        crossing: Whether anchors that cross the photo's edge learn; in maskrcnn-benchmark (`STRADDLE_THRESH` 0), and
            Ren et al. (2015), they do not.

    Returns:
        (..., N) int64, as `match_boxes`.
    """
    matches = match_boxes(anchors, truth, ANCHOR_MATCHING)
    if crossing:
        return matches
    height, width = extent[..., None].unbind(-2)
    x1, y1, x2, y2 = anchors.unbind(1)
    inside = (x1 >= 0.0) & (y1 >= 0.0) & (x2 <= width) & (y2 <= height)
    return torch.where(inside, matches, IGNORED)


def within_crowds(boxes: Tensor, crowds: Tensor) -> Tensor:
    """Return (..., N) bool: which (..., N, 4) boxes lie by `CROWD_SHARE` of their area in one of (..., C, 4) crowds."""
    ours, theirs = boxes[..., :, None, :], crowds[..., None, :, :]
    corners = torch.maximum(ours[..., :2], theirs[..., :2]), torch.minimum(ours[..., 2:], theirs[..., 2:])
    shared = box_area(torch.cat(corners, dim=-1))  # (..., N, C)
    return (shared >= CROWD_SHARE * box_area(boxes).clamp(min=SMALLEST)[..., None]).any(dim=-1)
