"""Box arithmetic. A box is (x1, y1, x2, y2) in continuous pixel coordinates: its width is x2 - x1.

Caffe-era detectors count a box's last pixel in, so that their widths are x2 - x1 + 1. They pass `pixel_offset=1`.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

# exp() of a size delta is bounded as in py-faster-rcnn's successors: no box grows by more than 1000/16 at once.
MAX_SIZE_DELTA = math.log(1000.0 / 16.0)

SMALLEST = torch.finfo(torch.float32).tiny


@dataclass(frozen=True)
class BoxCoder:
    """Turns regression deltas (dx, dy, dw, dh) into boxes and back (Girshick et al. 2014, appendix C).

    Attributes:
        weights: The factors by which a trained head's deltas are scaled up; (10, 10, 5, 5) in Fast R-CNN heads.
        pixel_offset: 0 for continuous coordinates, 1 for the inclusive pixels of Caffe-era detectors.
    """

    weights: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)
    pixel_offset: float = 0.0

    def encode(self, boxes: Tensor, anchors: Tensor) -> Tensor:
        """Return the deltas that `decode` turns into given boxes: what a head is trained to put out.

        Args:
            boxes: (N, 4) xyxy pixels with width and height; one that is over `exp(MAX_SIZE_DELTA)` times as wide or
                high as its anchor gets deltas that `decode` bounds.
            anchors: (N, 4) xyxy pixels with width and height.

        Returns:
            (N, 4) dx, dy, dw, dh.
        """
        center_x, center_y, width, height = self._center_size(boxes)
        anchor_x, anchor_y, anchor_width, anchor_height = self._center_size(anchors)
        deltas = (
            (center_x - anchor_x) / anchor_width,
            (center_y - anchor_y) / anchor_height,
            torch.log(width / anchor_width),
            torch.log(height / anchor_height),
        )
        return torch.stack([delta * weight for delta, weight in zip(deltas, self.weights, strict=True)], dim=1)

    def _center_size(self, boxes: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        x1, y1, x2, y2 = boxes.unbind(1)
        width = x2 - x1 + self.pixel_offset
        height = y2 - y1 + self.pixel_offset
        return x1 + 0.5 * width, y1 + 0.5 * height, width, height

    def decode(self, deltas: Tensor, anchors: Tensor) -> Tensor:
        """Apply deltas to anchors.

        Args:
            deltas: (N, 4) dx, dy, dw, dh.
            anchors: (N, 4) xyxy pixels.

        Returns:
            (N, 4) xyxy pixels, not clipped.
        """
        dx, dy, dw, dh = (delta / weight for delta, weight in zip(deltas.unbind(1), self.weights, strict=True))
        anchor_x, anchor_y, width, height = self._center_size(anchors)
        center_x = anchor_x + dx * width
        center_y = anchor_y + dy * height
        half_width = 0.5 * width * torch.exp(dw.clamp(max=MAX_SIZE_DELTA))
        half_height = 0.5 * height * torch.exp(dh.clamp(max=MAX_SIZE_DELTA))
        return torch.stack(
            [
                center_x - half_width,
                center_y - half_height,
                center_x + half_width - self.pixel_offset,
                center_y + half_height - self.pixel_offset,
            ],
            dim=1,
        )


def clip_boxes(boxes: Tensor, extent: Tensor, pixel_offset: float = 0.0) -> Tensor:
    """Move every corner into the image.

    Args:
        boxes: (N, 4) xyxy pixels, or (B, N, 4) of several images.
        extent: (2,) height and width of the image in pixels; a tensor, so that one graph serves every letterbox. (B, 2)
            of several images.
        pixel_offset: As in `BoxCoder`: with 1, the last valid coordinate is the size minus 1.

    Returns:
        As `boxes`, within [0, width] and [0, height].
    """
    height, width = (extent - pixel_offset).unbind(-1)
    limit = torch.stack([width, height, width, height], dim=-1)
    return torch.minimum(boxes.clamp(min=0.0), limit if boxes.ndim == 2 else limit[:, None])


def nonempty(boxes: Tensor) -> Tensor:
    """Return (..., N) bool: which (..., N, 4) xyxy boxes have width and height."""
    return ((boxes[..., 2:] - boxes[..., :2]) > 0.0).all(dim=-1)


def box_area(boxes: Tensor) -> Tensor:
    """Return the (..., N) areas of (..., N, 4) xyxy boxes; a box whose corners are swapped is empty."""
    x1, y1, x2, y2 = boxes.unbind(-1)
    return (x2 - x1).clamp(min=0.0) * (y2 - y1).clamp(min=0.0)


def box_iou(first: Tensor, second: Tensor) -> Tensor:
    """Intersection over union of every box of one set with every box of another.

    Args:
        first: (..., N, 4) xyxy.
        second: (..., M, 4) xyxy, of the same leading dimensions or such that broadcast.

    Returns:
        (..., N, M). 0 where a box of the pair is empty.
    """
    rows, columns = first[..., :, None, :], second[..., None, :, :]
    sides = torch.minimum(rows[..., 2:], columns[..., 2:]) - torch.maximum(rows[..., :2], columns[..., :2])
    intersection = sides.clamp(min=0.0).prod(dim=-1)
    areas = box_area(first).clamp(min=SMALLEST)[..., :, None] + box_area(second)[..., None, :]
    return intersection / (areas - intersection)


def pairwise_iou(boxes: Tensor) -> Tensor:
    """Intersection over union of every pair within one set: `box_iou` in the fewest operators, for artifacts.

    Args:
        boxes: (N, 4) xyxy.

    Returns:
        (N, N). 0 where a box of the pair is empty.
    """
    x1, y1, x2, y2 = (edge[:, None] for edge in boxes.unbind(1))  # (N, 1) each
    width = (torch.minimum(x2, x2.T) - torch.maximum(x1, x1.T)).clamp(min=0.0)
    height = (torch.minimum(y2, y2.T) - torch.maximum(y1, y1.T)).clamp(min=0.0)
    intersection = width * height
    area = box_area(boxes).clamp(min=SMALLEST)[:, None]  # two empty boxes: 0 / 0 would be NaN
    return intersection / (area + area.T - intersection)


def match(overlap: Tensor, least: float) -> list[tuple[int, int]]:
    """Pair the rows of two sets, each at most once, best overlaps first; of equal ones the first row, then column.

    Args:
        overlap: (N, M), such as `box_iou`; NaN is a mistake of the caller's.
        least: Overlap below which there is no pair, above 0.

    Returns:
        (row, column) of each pair, by falling overlap.
    """
    left, pairs = overlap.clone(), []
    while left.numel() and left.max() >= least:
        row, column = divmod(int(left.argmax()), left.shape[1])
        pairs.append((row, column))
        left[row] = 0.0
        left[:, column] = 0.0
    return pairs
