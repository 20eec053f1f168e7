"""Anchors of Caffe-era detectors: corners on pixels, sides x2 - x1 + 1 (py-faster-rcnn `generate_anchors.py`)."""

from collections.abc import Sequence

import torch
from torch import Tensor


def base_anchors(base_size: int, ratios: Sequence[float], scales: Sequence[int]) -> Tensor:
    """Return the (A, 4) anchors of the cell at the origin, xyxy pixels, by ratio and then scale.

    The sides are rounded to pixels for every ratio before they are scaled.

    Args:
        base_size: Side in pixels of the square anchor of scale 1, whose top-left pixel is (0, 0).
        ratios: Height over width.
        scales: Side over that of scale 1.
    """
    center = 0.5 * (base_size - 1)
    anchors = []
    for ratio in ratios:
        width = round((base_size**2 / ratio) ** 0.5)
        height = round(width * ratio)
        for scale in scales:
            reach_x, reach_y = 0.5 * (width * scale - 1), 0.5 * (height * scale - 1)
            anchors.append([center - reach_x, center - reach_y, center + reach_x, center + reach_y])
    return torch.tensor(anchors)


def grid_anchors(base: Tensor, height: int, width: int, stride: int) -> Tensor:
    """Repeat anchors at every cell of a map.

    Args:
        base: (A, 4) anchors of the cell at the origin, xyxy pixels.
        height: Cells.
        width: Cells.
        stride: Pixels per cell.

    Returns:
        (height * width * A, 4) by row, column and anchor.
    """
    y, x = torch.meshgrid(stride * torch.arange(height), stride * torch.arange(width), indexing="ij")
    shifts = torch.stack([x, y, x, y], dim=2).reshape(-1, 1, 4)
    return (shifts + base).reshape(-1, 4)
