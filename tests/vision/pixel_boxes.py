"""The box rules of py-faster-rcnn and bottom-up-attention in plain Python, one box at a time, to test against.

A box is (x1, y1, x2, y2) in pixels, the last of which belong to it.
"""

import math

from torch import Tensor

Box = list[float]


def size(box: Box) -> tuple[float, float]:
    return box[2] - box[0] + 1.0, box[3] - box[1] + 1.0


def iou(a: Box, b: Box) -> float:
    """Of boxes whose last pixels belong to them, as py-faster-rcnn's `nms/py_cpu_nms.py` has it."""
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]) + 1.0)
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]) + 1.0)
    return width * height / (math.prod(size(a)) + math.prod(size(b)) - width * height)


def greedy_nms(boxes: list[Box], scores: list[float], threshold: float) -> list[int]:
    kept: list[int] = []
    for index in sorted(range(len(boxes)), key=lambda i: (-scores[i], i)):
        if all(iou(boxes[index], boxes[other]) <= threshold for other in kept):
            kept.append(index)
    return kept


def decode(box: Box, delta: Box, weights: Box, extent: tuple[float, float]) -> Box:
    """`fast_rcnn/bbox_transform.py`: bbox_transform_inv and clip_boxes."""
    (width, height), (dx, dy, dw, dh) = (
        size(box),
        (value / weight for value, weight in zip(delta, weights, strict=True)),
    )
    x, y = box[0] + 0.5 * width + dx * width, box[1] + 0.5 * height + dy * height
    width, height = width * math.exp(dw), height * math.exp(dh)
    corners = [x - 0.5 * width, y - 0.5 * height, x + 0.5 * width - 1.0, y + 0.5 * height - 1.0]
    limits = [extent[1] - 1.0, extent[0] - 1.0] * 2
    return [min(max(value, 0.0), limit) for value, limit in zip(corners, limits, strict=True)]


def surviving_by_definition(
    boxes: list[list[Box]], probabilities: Tensor, threshold: float
) -> tuple[list[float], list[int]]:
    """`tools/generate_tsv.py`'s loop over all classes, without any floor."""
    best, tags = [0.0] * len(boxes), [0] * len(boxes)
    for tag in range(probabilities.shape[1]):
        scores = probabilities[:, tag].tolist()
        for index in greedy_nms([row[tag] for row in boxes], scores, threshold):
            if scores[index] > best[index]:
                best[index], tags[index] = scores[index], tag
    return best, tags
