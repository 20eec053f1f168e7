"""Non-maximum suppression in every class, the step that TEE replaces by a single one (MiniVLM section 3.1)."""

import torch
from torch import Tensor

from minivlm.ops import nms

FLOOR_STEP = 10.0
"""Factor by which the score floor falls when too few RoIs survive."""


def best_surviving(
    boxes: Tensor, probabilities: Tensor, iou_threshold: float, floor: float, least: int
) -> tuple[Tensor, Tensor]:
    """Give each RoI the best of the classes in which NMS keeps it.

    Of 1600 classes times 300 RoIs nearly all pairs have no chance, so only pairs with a probability of at least a floor
    take part. That changes nothing at or above the floor, since a box is suppressed by better boxes only. While fewer
    than `least` RoIs survive, the floor falls tenfold and in the end to 0. So these are exact: every score of at least
    the floor that was given, and the `least` best scores, however small.

    Args:
        boxes: (R, C, 4) xyxy in continuous coordinates, a box for every class.
        probabilities: (R, C).
        iou_threshold: Of the NMS.
        floor: Where to start.
        least: RoIs that must survive.

    Returns:
        scores: (R,), 0 for a RoI that survives in no class at the last floor; tags: (R,) int64, then 0.
    """
    scores, tags = _surviving_above(floor, boxes, probabilities, iou_threshold)
    while floor > 0.0 and int((scores > 0.0).sum()) < least:
        # The best class has at least 1 / C, so from there on a lower floor lets nearly everything in anyway.
        floor = floor / FLOOR_STEP if floor * probabilities.shape[1] > 1.0 else 0.0
        scores, tags = _surviving_above(floor, boxes, probabilities, iou_threshold)
    return scores, tags


def _surviving_above(floor: float, boxes: Tensor, probabilities: Tensor, iou_threshold: float) -> tuple[Tensor, Tensor]:
    scores = probabilities.new_zeros(probabilities.shape[0])
    tags = torch.zeros(probabilities.shape[0], dtype=torch.int64, device=probabilities.device)
    classes, rows = probabilities.T.ge(floor).nonzero().unbind(1)  # by class, then RoI
    present, counts = classes.unique_consecutive(return_counts=True)
    for tag, members in zip(present.tolist(), rows.split(counts.tolist()), strict=True):
        candidates = probabilities[members, tag]
        kept, valid = nms(boxes[members, tag], candidates, iou_threshold, max_output=len(members))
        kept = kept[valid]
        better = kept[candidates[kept] > scores[members[kept]]]
        scores[members[better]] = candidates[better]
        tags[members[better]] = tag
    return scores, tags
