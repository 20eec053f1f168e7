"""How well boxes and their names are found: Visual Genome's mean average precision, and recall.

Visual Genome's rule is that of bottom-up attention (Anderson et al. 2018; peteanderson80/bottom-up-attention,
lib/datasets/vg.py and vg_eval.py), which is PASCAL VOC's of 2010 and later: a detection goes to the box of its class
that it overlaps most; it is right where their intersection over union is above .5 and no better-scored detection had
that box; the score of a class is the whole area under its interpolated precision-recall curve. Two things differ here,
both so that the result depends on nothing but the data: boxes are continuous, without Caffe's last pixel counted in,
and detections of equal score enter the curve together, so that the order of pictures does not matter.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from minivlm.ops.boxes import box_iou

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Truth:
    """What is in one picture.

    Attributes:
        corners: (N, 4) float64 xyxy pixels.
        labels: (N,) int64 classes.
        crowd: (N,) bool; such boxes are neither asked for nor held against who finds them.
    """

    corners: Floats
    labels: NDArray[np.int64]
    crowd: NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a detector says of the same picture.

    Attributes:
        corners: (M, 4) float64 xyxy pixels.
        labels: (M,) int64 classes.
        scores: (M,) float64.
    """

    corners: Floats
    labels: NDArray[np.int64]
    scores: Floats


@dataclass(frozen=True, kw_only=True)
class ClassScore:
    """One class over all pictures.

    Attributes:
        precision: Average precision, 0 to 1.
        boxes: How many there are, crowds not counted.
    """

    precision: float
    boxes: int


@dataclass(frozen=True, kw_only=True)
class Tally:
    """What one picture adds to the precision and recall of each class.

    Attributes:
        boxes: Class -> how many there are, crowds not counted.
        outcomes: Class -> score of each detection and whether it is right.
    """

    boxes: dict[int, int]
    outcomes: dict[int, list[tuple[float, bool]]]


def tally(truth: Truth, found: Found, *, threshold: float = 0.5) -> Tally:
    """Match the detections of a picture with its boxes; see the module.

    Args:
        truth: The picture's boxes.
        found: Its detections.
        threshold: Intersection over union that a right detection exceeds.
    """
    labels = np.unique(truth.labels).tolist()
    return Tally(
        boxes={label: int((~truth.crowd[truth.labels == label]).sum()) for label in labels},
        outcomes={label: _outcomes(truth, found, label, threshold) for label in np.unique(found.labels).tolist()},
    )


def summed_precisions(tallies: Iterable[Tally]) -> dict[int, ClassScore]:
    """Return class -> average precision over pictures; a picture may be there more than once.

    Every class that has a box is there. The original also counts classes of its list that no picture shows, as 0.
    """
    counts: dict[int, int] = {}
    outcomes: dict[int, list[tuple[float, bool]]] = {}
    for one in tallies:
        for label, boxes in one.boxes.items():
            counts[label] = counts.get(label, 0) + boxes
        for label, said in one.outcomes.items():
            outcomes.setdefault(label, []).extend(said)
    return {
        label: ClassScore(precision=_area(outcomes.get(label, []), boxes), boxes=boxes)
        for label, boxes in sorted(counts.items())
        if boxes
    }


def average_precisions(
    truths: Sequence[Truth], found: Sequence[Found], *, threshold: float = 0.5
) -> dict[int, ClassScore]:
    """Return class -> average precision; see `tally` and `summed_precisions`.

    Args:
        truths: Picture by picture.
        found: Of the same pictures.
        threshold: See `tally`.
    """
    return summed_precisions(tally(*pair, threshold=threshold) for pair in zip(truths, found, strict=True))


def mean_average_precision(scores: dict[int, ClassScore]) -> float:
    """Return the mean over classes, each of the same weight; 0 where there are none."""
    return float(np.mean([one.precision for one in scores.values()])) if scores else 0.0


def weighted_average_precision(scores: dict[int, ClassScore]) -> float:
    """Return the mean over classes, each by its number of boxes; 0 where there are none."""
    total = sum(one.boxes for one in scores.values())
    return sum(one.precision * one.boxes for one in scores.values()) / total if total else 0.0


def recall(truth: Truth, found: Found, *, threshold: float = 0.5, named: bool = False) -> float | None:
    """Return the share of a picture's boxes that a detection overlaps by at least `threshold`.

    Args:
        truth: The picture's boxes.
        found: Detections or proposals; their scores are not looked at.
        threshold: Intersection over union.
        named: Count only detections of the box's class, which makes it recall of names and boxes.

    Returns:
        0 to 1; None where the picture has no boxes but crowds.
    """
    overlaps = _overlaps(truth.corners[~truth.crowd], found.corners)
    if named:
        overlaps = np.where(truth.labels[~truth.crowd][:, None] == found.labels[None, :], overlaps, 0.0)
    if not len(overlaps):
        return None
    best = overlaps.max(axis=1, initial=0.0)
    return float((best >= threshold).mean())


def matches(truth: Truth, found: Found, *, threshold: float = 0.5) -> dict[int, int]:
    """Return the row of each box that is found -> the row of the detection that finds it; see the module."""
    pairs = [pair for label in np.unique(found.labels).tolist() for pair in _judged(truth, found, label, threshold)]
    return {box: row for row, box in pairs if box is not None}


def _outcomes(truth: Truth, found: Found, label: int, threshold: float) -> list[tuple[float, bool]]:
    """Return score and whether right for the detections of one class in one picture; those of crowds are left out."""
    judged = _judged(truth, found, label, threshold)
    return [(float(found.scores[row]), box is not None) for row, box in judged]


def _judged(truth: Truth, found: Found, label: int, threshold: float) -> Iterator[tuple[int, int | None]]:
    """Yield the row of each detection of one class, best first, and of the box that it finds; none of crowds."""
    rows = np.flatnonzero(found.labels == label)
    rows = rows[np.argsort(-found.scores[rows], kind="stable")]
    wanted = np.flatnonzero(truth.labels == label)
    if not len(wanted):
        yield from ((row, None) for row in rows.tolist())
        return
    taken: set[int] = set()
    for row, overlap in zip(rows.tolist(), _overlaps(found.corners[rows], truth.corners[wanted]), strict=True):
        best = int(overlap.argmax())
        box = int(wanted[best])
        hit = bool(overlap[best] > threshold)
        if hit and truth.crowd[box]:
            continue
        yield row, box if hit and box not in taken else None
        if hit:
            taken.add(box)


def _area(outcomes: Sequence[tuple[float, bool]], boxes: int) -> float:
    """Return the area under the precision-recall curve, precision at a recall being the best at that recall or more."""
    if not outcomes:
        return 0.0
    scores = np.array([score for score, _ in outcomes])
    right = np.array([hit for _, hit in outcomes])
    order = np.argsort(-scores, kind="stable")
    last_of_equal = np.append(np.diff(scores[order]) != 0.0, True)
    hits = right[order].cumsum()[last_of_equal]
    said = np.flatnonzero(last_of_equal) + 1
    envelope = np.maximum.accumulate((hits / said)[::-1])[::-1]
    return float((np.diff(hits / boxes, prepend=0.0) * envelope).sum())


def _overlaps(first: Floats, second: Floats) -> Floats:
    """Return (N, M) intersections over unions."""
    rows = torch.from_numpy(first.reshape(-1, 4)), torch.from_numpy(second.reshape(-1, 4))
    overlaps: Floats = box_iou(*rows).numpy()
    return overlaps
