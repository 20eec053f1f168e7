"""RoI max pooling (Girshick 2015), with the rounding of the Caffe layer that bottom-up-attention uses.

Every maximum over a window is the maximum of four equal windows that overlap: those of the largest powers of two that
fit into it, at its four corners. The maxima of all such windows are computed once a map, so that each RoI cell costs
four row gathers and there is no loop over RoIs.

Shapes: R RoIs, P output cells an axis, C channels.
"""

import torch
from torch import Tensor


def _round(x: Tensor) -> Tensor:
    """Round half away from zero, as C's round()."""
    whole = x.trunc()
    return torch.where((x - whole).abs() >= 0.5, whole + x.sign(), whole)


def _axis_bins(low: Tensor, high: Tensor, size: int, output_size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Where the windows along one axis lie.

    Args:
        low: (R,) first cell of each RoI.
        high: (R,) last cell.
        size: Cells of the map.
        output_size: P.

    Returns:
        starts: (R, P) first cell, ends: (R, P) cell after the last one, both on the map; levels: (R, P) the logarithm
        to base 2 of the largest power of two in the window, 0 for an empty window.
    """
    bin_size = ((high - low + 1.0).clamp(min=1.0) / output_size)[:, None]
    numbers = torch.arange(output_size, device=low.device)
    # In float32, as Caffe: 13 x (62 / 14) and the like come out a cell away from exact arithmetic.
    starts = (torch.floor(numbers * bin_size) + low[:, None]).clamp(0, size).to(torch.int64)
    ends = (torch.ceil((numbers + 1) * bin_size) + low[:, None]).clamp(0, size).to(torch.int64)
    bounds = 2 ** torch.arange(1, max(size, 2).bit_length(), device=low.device)
    levels = ((ends - starts)[..., None] >= bounds).sum(dim=-1)
    return starts, ends, levels


def _grow(maps: Tensor, dim: int, reach: int) -> Tensor:
    """From maxima over `reach` cells along a dimension to maxima over twice as many; the last ones stay smaller."""
    kept, ahead = maps.narrow(dim, 0, maps.shape[dim] - reach), maps.narrow(dim, reach, maps.shape[dim] - reach)
    return torch.cat([torch.maximum(kept, ahead), maps.narrow(dim, maps.shape[dim] - reach, reach)], dim=dim)


def _window_maxima(feature: Tensor, row_levels: int, column_levels: int) -> Tensor:
    """Maxima over all windows of 2**tall rows and 2**wide columns from each cell on.

    Returns:
        (row_levels * column_levels * H * W, C): by tall, wide, row and column of the first cell.
    """
    cells = feature[0].permute(1, 2, 0)  # (H, W, C)
    tables = []
    for tall in range(row_levels):
        cells = _grow(cells, 0, 2 ** (tall - 1)) if tall > 0 else cells
        windows = cells
        for wide in range(column_levels):
            windows = _grow(windows, 1, 2 ** (wide - 1)) if wide > 0 else windows
            tables.append(windows.flatten(0, 1))
    return torch.cat(tables)


def roi_pool(feature: Tensor, rois: Tensor, output_size: int, spatial_scale: float) -> Tensor:
    """Max over each of output_size x output_size cells of each RoI.

    RoI corners are rounded (half away from zero) to cells, both ends included; a RoI is at least one cell long. Its
    windows are rounded outwards, so neighbours may share a row. What lies off the map is ignored, and a window that is
    off altogether gives 0. Equals ONNX MaxRoiPool. The number of gathered maps depends on the RoIs' sizes, so this
    operator is for the eager baseline only.

    Args:
        feature: (1, C, H, W).
        rois: (R, 4) xyxy pixels.
        output_size: P.
        spatial_scale: Cells per pixel, such as 1/16.

    Returns:
        (R, C, P, P).

    Raises:
        ValueError: The map is that of several pictures.
    """
    if feature.shape[0] != 1:
        raise ValueError("RoIs are read from one picture: give its own map, (1, C, H, W)")
    height, width = feature.shape[2:]
    x1, y1, x2, y2 = _round(rois * spatial_scale).unbind(1)
    tops, bottoms, tall = _axis_bins(y1, y2, height, output_size)
    lefts, rights, wide = _axis_bins(x1, x2, width, output_size)
    row_levels, column_levels = int(tall.max()) + 1, int(wide.max()) + 1
    table = _window_maxima(feature, row_levels, column_levels)

    # The windows that end where the RoI's cell ends; a window of one power of two starts where the cell starts.
    last_tops, last_lefts = bottoms - 2**tall, rights - 2**wide
    empty = (bottoms <= tops)[:, :, None] | (rights <= lefts)[:, None, :]  # (R, P, P)
    level = tall[:, :, None] * column_levels + wide[:, None, :]

    def gather(rows: Tensor, columns: Tensor) -> Tensor:
        cells = (level * height + rows[:, :, None]) * width + columns[:, None, :]
        return table.index_select(0, cells.masked_fill(empty, 0).flatten())  # (R * P * P, C)

    pooled = gather(tops, lefts)
    for rows, columns in ((tops, last_lefts), (last_tops, lefts), (last_tops, last_lefts)):
        pooled = torch.maximum(pooled, gather(rows, columns))
    pooled = pooled.masked_fill(empty.flatten()[:, None], 0.0)
    return pooled.reshape(-1, output_size, output_size, feature.shape[1]).permute(0, 3, 1, 2)
