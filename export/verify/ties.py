"""What a detector finds where equal scores are ordered as another run of it has ordered them.

Which of equal scores wins is left open by PyTorch, by Core ML, and by the order of sums in all of them: none is wrong.
So the reference follows a runtime's choice among equals, and in nothing else: a box that the detector does not propose,
or proposes with a lower score, gains nothing.

Why that is enough: greedy selection keeps what no better kept box overlaps. If a runtime kept the boxes K, ordering
equals in some way, then every other box of their scores is overlapped by one of K or came too late. Taking K first
among equals, then what K overlaps, then the rest, keeps K again. Nearly equal scores count as equal: K is taken first
by a margin that is larger than what runtimes differ by.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from export.verify.metrics import MATCH_IOU
from minivlm.ops import box_iou, nonempty
from minivlm.vision.box_head import with_attributes
from minivlm.vision.regions import Regions, regions_of
from minivlm.vision.tee import TEE

MARGIN = 1e-5
"""Scores that differ by less, as a share of the largest, are equal: runtimes' sums differ by 1e-6 or so."""
NEARLY_SAME = 1e-3
"""IoU by which several candidates may be a box; their features then say which of them it is."""


@torch.no_grad()
def settled(detector: TEE, image: Tensor, extent: Tensor, given: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Run a detector, and order equal scores as another run of it did.

    Args:
        detector: The reference.
        image: See `TEE.forward`.
        extent: See `TEE.forward`.
        given: What the other run found: the fields of `Regions`, and its proposals.

    Returns:
        The same of this run, attributes where the detector has a head for them.
    """
    regions, other_proposals = Regions(*given[:-1]), given[-1]
    levels = detector.backbone(image)
    proposals, valid = _proposals(detector, levels, extent, other_proposals)
    features, class_logits, deltas = detector.box_head(detector.pool(levels, proposals))
    boxes = detector.refine(deltas, proposals, extent)
    probabilities = class_logits.softmax(dim=1)[:, 1:]
    scores, tags = probabilities.max(dim=1)
    margin = _margin(scores)
    usable = detector.usable(boxes, scores + margin, valid)
    choice = Choice(boxes, torch.zeros_like(tags), usable, detector.config.iou_threshold)
    taken = choice.follow(regions.boxes[regions.scores > 0.0], features, regions.features[regions.scores > 0.0])
    for row, tag in zip(taken, regions.tags[regions.scores > 0.0].tolist(), strict=True):
        if row is not None and 0 <= tag < probabilities.shape[1] and probabilities[row, tag] >= scores[row] - margin:
            tags[row] = tag
    ranks = _ranks(scores + margin * choice.preference)
    # What scores as much as is asked for, to within the margin, is a region where the other run says so.
    usable &= detector.usable(boxes, scores - margin, valid) | (choice.preference > 0.0)
    rows, kept = detector.nms(boxes, torch.where(usable, ranks, float("-inf")))
    found = with_attributes(detector.attribute_head, regions_of(features, boxes, tags, scores, extent, rows, kept))
    return (*found.present.values(), torch.where(valid[:, None], proposals, 0.0))


def _proposals(detector: TEE, levels: Sequence[Tensor], extent: Tensor, given: Tensor) -> tuple[Tensor, Tensor]:
    """Return what `TEE.propose` returns, equal scores ordered as in another run's (P, 4) proposals."""
    selector = detector.selector
    objectness, deltas = detector.rpn(levels)
    sizes = [(level.shape[2], level.shape[3]) for level in levels]
    margin = _margin(objectness)
    last = objectness.topk(min(selector.config.pre_nms, len(objectness))).values[-1]
    numbers = (objectness >= last - 2.0 * margin).nonzero()[:, 0]  # all that could be among the best by any order
    boxes, groups = selector.decode(numbers, deltas, sizes, extent)
    choice = Choice(boxes, groups, nonempty(boxes), selector.config.iou_threshold)
    choice.follow(given[nonempty(given)])
    ranks = torch.zeros_like(objectness)
    ranks[numbers] = _ranks(objectness[numbers] + margin * choice.preference)
    return selector(ranks, deltas, sizes, extent)


def _margin(scores: Tensor) -> Tensor:
    """Return by how much scores may differ and be called equal; above 0 even where all of them are 0."""
    return scores.double().abs().amax() * MARGIN + torch.finfo(torch.float32).tiny


def _ranks(scores: Tensor) -> Tensor:
    """Return (N,) whole numbers above 0, all different, that order as scores do; exact below 2**24."""
    ranks = torch.empty(len(scores))
    ranks[scores.argsort(descending=True, stable=True)] = torch.arange(float(len(scores)), 0.0, -1.0)
    return ranks


class Choice:
    """Greedy selection by somebody else, followed box by box.

    Args:
        boxes: (N, 4) xyxy, the candidates.
        groups: (N,) int64; boxes of different groups do not suppress each other.
        open: (N,) bool, which candidates can be kept at all.
        iou_threshold: Of the suppression.

    Attributes:
        preference: (N,) by how many margins a candidate goes before its equals: from 1 to 2 for what was kept, the
            earlier the more, 0 for what that suppresses or is not open, -1 for the rest.
        open: As given.
    """

    def __init__(self, boxes: Tensor, groups: Tensor, open: Tensor, iou_threshold: float) -> None:
        self.open = open
        self.preference = torch.where(open, -1.0, 0.0).double()
        self._boxes = boxes
        self._groups = groups
        self._iou_threshold = iou_threshold

    def follow(
        self, kept: Tensor, features: Tensor | None = None, kept_features: Tensor | None = None
    ) -> list[int | None]:
        """Take over which boxes were kept.

        Args:
            kept: (K, 4) xyxy, in the order in which they were.
            features: (N, D) of the candidates, to tell those with one box apart.
            kept_features: (K, D).

        Returns:
            The candidate of each, None where there is no such candidate left.
        """
        rows: list[int | None] = []
        for number, box in enumerate(kept):
            overlap = torch.where(self.preference < 0.0, box_iou(box[None], self._boxes)[0], 0.0)
            if not len(overlap) or overlap.max() < MATCH_IOU:
                rows.append(None)
                continue
            row = int(overlap.argmax())
            if features is not None and kept_features is not None:
                near = (overlap >= overlap[row] - NEARLY_SAME).nonzero()[:, 0]
                row = int(near[(features[near] - kept_features[number]).square().sum(dim=1).argmin()])
            overlapped = box_iou(self._boxes[row, None], self._boxes)[0] > self._iou_threshold
            suppressed = overlapped & (self._groups == self._groups[row])
            self.preference[suppressed & (self.preference < 0.0)] = 0.0
            self.preference[row] = 2.0 - number / len(kept)
            rows.append(row)
        return rows
