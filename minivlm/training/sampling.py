"""Which of the matched boxes learn in one step: a few of each picture, lest the background drown the objects."""

from dataclasses import dataclass

import torch
from torch import Tensor

from minivlm.training.matching import BACKGROUND, IGNORED, ROI_MATCHING, Truth, match_boxes


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


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """What was drawn of each picture: those with objects, then background, then rows that only fill.

    Attributes:
        rows: (..., S) int64 of boxes.
        positive: (..., S) bool, has an object.
        kept: (..., S) bool, learns; False for rows that only fill.
    """

    rows: Tensor
    positive: Tensor
    kept: Tensor


def sample(matches: Tensor, rule: Sampling, generator: torch.Generator) -> Drawn:
    """Draw boxes by chance, those of all pictures at once: shapes do not depend on what is in them.

    One row of random numbers serves all pictures, to each of which it is fair.

    Args:
        matches: (..., N) int64, see `match_boxes`.
        rule: How many.
        generator: Source of chance, on the CPU: the same on every device.

    Returns:
        `rule.count` rows of each picture, or N where there are fewer.
    """
    chance = torch.rand(matches.shape[-1], generator=generator).to(matches.device)
    most = min(int(rule.count * rule.positive_share), matches.shape[-1])
    found, rows = torch.where(matches >= 0, chance, -1.0).topk(most, dim=-1)
    chosen = torch.zeros_like(matches, dtype=torch.bool).scatter(-1, rows, found >= 0.0)
    ranks = torch.where(chosen, 2.0 + chance, torch.where(matches == BACKGROUND, chance, -1.0))
    ranks, rows = ranks.topk(min(rule.count, matches.shape[-1]), dim=-1)
    return Drawn(rows=rows, positive=ranks >= 2.0, kept=ranks >= 0.0)


@dataclass(frozen=True, kw_only=True)
class Rois:
    """Boxes of B pictures that the box head learns from, those with objects first.

    Attributes:
        boxes: (B, R, 4) float32 xyxy pixels.
        objects: (B, R) int64 row in the truth, 0 where there is no object.
        classes: (B, R) int64, 0 for the background.
        kept: (B, R) bool, learns; False for rows that only fill.
    """

    boxes: Tensor
    objects: Tensor
    classes: Tensor
    kept: Tensor


def sample_rois(proposals: Tensor, valid: Tensor, truths: Truth, rule: Sampling, generator: torch.Generator) -> Rois:
    """Match proposals and the annotated boxes themselves, and draw some.

    Without the annotated boxes a young proposal network would show the box head no object at all.

    Args:
        proposals: (B, N, 4) xyxy pixels.
        valid: (B, N) bool, which of them are proposals and no filler.
        truths: Of the B pictures, see `side_by_side`.
        rule: How many.
        generator: As `sample` takes it.
    """
    boxes = torch.cat([proposals, truths.boxes], dim=1)
    usable = torch.cat([valid, truths.classes > 0], dim=1)
    matches = torch.where(usable, match_boxes(boxes, truths, ROI_MATCHING), IGNORED)
    drawn = sample(matches, rule, generator)
    objects = torch.where(drawn.positive, matches.gather(1, drawn.rows), 0)
    return Rois(
        boxes=taken(boxes, drawn.rows),
        objects=objects,
        classes=torch.where(drawn.positive, truths.classes.gather(1, objects), 0),
        kept=drawn.kept,
    )


def taken(values: Tensor, rows: Tensor) -> Tensor:
    """Return (B, R, n): of (B, N, n) values the (B, R) int64 rows."""
    return values.gather(1, rows[:, :, None].expand(-1, -1, values.shape[2]))
