"""RoIAlign (He et al. 2017) over one or several feature levels, as row gathers and weighted sums.

Every map is laid out as rows of C channels, one row a cell, and all levels form one table. A sample needs four rows;
they are fetched by index, which every runtime does by copying whole rows, and no step depends on the number of levels.

Shapes: R RoIs, P output cells an axis, S samples a cell and axis, C channels.
"""

from collections.abc import Sequence

import torch
from torch import Tensor


def _axis_taps(start: Tensor, length: Tensor, size: Tensor, output_size: int, samples: int) -> tuple[Tensor, Tensor]:
    """Where one axis' bilinear samples read, and with which weight.

    Args:
        start: (R,) RoI start in cells.
        length: (R,) RoI length in cells, at least 1.
        size: (R,) number of cells along this axis in the RoI's level.
        output_size: P.
        samples: S.

    Returns:
        cells: (R, P, 2S) float indices, weights: (R, P, 2S); the mean over a cell's samples is in the weights.
    """
    offsets = (torch.arange(output_size * samples, device=start.device) + 0.5) / (output_size * samples)
    position = start[:, None] + length[:, None] * offsets  # (R, P*S)
    last = (size - 1.0)[:, None]
    inside = (position >= -1.0) & (position <= last + 1.0)  # beyond, a sample counts as zero
    position = torch.minimum(position.clamp(min=0.0), last)
    low = position.floor()
    high = torch.minimum(low + 1.0, last)
    high_weight = position - low
    weights = torch.stack([1.0 - high_weight, high_weight], dim=2) * (inside.to(position.dtype) / samples)[:, :, None]
    cells = torch.stack([low, high], dim=2)
    shape = (start.shape[0], output_size, 2 * samples)
    return cells.reshape(shape), weights.reshape(shape)


def roi_align(
    features: Sequence[Tensor],
    rois: Tensor,
    levels: Tensor,
    strides: Sequence[int],
    output_size: int,
    sampling_ratio: int,
) -> Tensor:
    """Average of bilinear samples in each of output_size x output_size cells of each RoI.

    Equals torchvision's `roi_align(aligned=False)` and ONNX RoiAlign-16 with `output_half_pixel`: no half-pixel
    shift, RoIs are at least one cell long, samples more than one cell off the map are zero.

    Args:
        features: One (1, C, H, W) map a level.
        rois: (R, 4) xyxy pixels of the image.
        levels: (R,) int64, which map each RoI reads.
        strides: Pixels per cell of each level.
        output_size: P.
        sampling_ratio: S.

    Returns:
        (R, C, P, P).

    Raises:
        ValueError: The maps are those of several pictures.
    """
    if any(feature.shape[0] != 1 for feature in features):
        raise ValueError("RoIs are read from one picture: give its own maps, (1, C, H, W)")
    # As in `roi_align_each`: where maps lie channels last, nothing moves.
    table = torch.cat([feature.permute(0, 2, 3, 1).flatten(0, 2) for feature in features])  # (sum of H*W, C)
    sizes = [(feature.shape[2], feature.shape[3]) for feature in features]
    return _read(table, sizes, strides, rois, levels, output_size, sampling_ratio)


def roi_align_each(
    features: Sequence[Tensor],
    rois: Sequence[Tensor],
    levels: Sequence[Tensor],
    strides: Sequence[int],
    output_size: int,
    sampling_ratio: int,
) -> Tensor:
    """Read RoIs of every picture of a batch at once; `roi_align` gives the same for each alone.

    Args:
        features: One (B, C, H, W) map a level; all cells together fewer than 2**24.
        rois: (R, 4) xyxy pixels of each picture; the numbers may differ.
        levels: (R,) int64 of each picture.
        strides: As `roi_align` takes them, and what follows.
        output_size: P.
        sampling_ratio: S.

    Returns:
        (all R, C, P, P), picture after picture.
    """
    # Picture after picture within a level: in memory that keeps channels last, and so do the gradients of the maps.
    table = torch.cat([feature.permute(0, 2, 3, 1).flatten(0, 2) for feature in features])
    count = len(rois)
    sizes = [(feature.shape[2], feature.shape[3]) for feature in features for _ in range(count)]
    pictures = torch.arange(count).repeat_interleave(torch.tensor([len(own) for own in levels]))
    maps = torch.cat(list(levels)) * count + pictures.to(table.device)
    repeated = [stride for stride in strides for _ in range(count)]
    return _read(table, sizes, repeated, torch.cat(list(rois)), maps, output_size, sampling_ratio)


def _read(
    table: Tensor,
    sizes: Sequence[tuple[int, int]],
    strides: Sequence[int],
    rois: Tensor,
    levels: Tensor,
    output_size: int,
    sampling_ratio: int,
) -> Tensor:
    """Return (R, C, P, P), read from the (sum of H*W, C) rows of maps of the given sizes, one after another."""
    starts = [sum(h * w for h, w in sizes[:level]) for level in range(len(sizes))]
    geometry = torch.tensor(
        [(1.0 / stride, h, w, start) for stride, (h, w), start in zip(strides, sizes, starts, strict=True)],
        device=rois.device,
    )
    scale, height, width, first_row = geometry.index_select(0, levels).unbind(1)  # (R,) each

    x1, y1, x2, y2 = (rois * scale[:, None]).unbind(1)
    rows, row_weights = _axis_taps(y1, (y2 - y1).clamp(min=1.0), height, output_size, sampling_ratio)
    columns, column_weights = _axis_taps(x1, (x2 - x1).clamp(min=1.0), width, output_size, sampling_ratio)
    row_starts = first_row[:, None, None] + rows * width[:, None, None]  # exact: below 2**24

    count, channels, taps = rois.shape[0], table.shape[1], 2 * sampling_ratio
    cells = row_starts.reshape(count, -1, 1)[:, :, :, None] + columns[:, None]  # (R, P*2S, P, 2S)
    cells = cells.to(torch.int64)

    # One gather per tap keeps the largest tensor at (R, P*2S, P, C) and leaves nothing but multiply and add.
    def tap(index: int) -> Tensor:
        values = table.index_select(0, cells[..., index].reshape(-1))
        values = values.reshape(count, -1, output_size, channels)  # (R, P*2S, P, C)
        return values * column_weights[:, None, :, index, None]

    pooled = tap(0)
    for index in range(1, taps):
        pooled = pooled + tap(index)
    pooled = pooled * row_weights.reshape(count, -1, 1, 1)
    # A cell's row of channels as one: accelerators take four dimensions at most, and no delegate sums over an axis.
    by_tap = pooled.reshape(count * output_size, taps, output_size * channels)
    rows_of_cells = by_tap[:, :1]
    for index in range(1, taps):
        rows_of_cells = rows_of_cells + by_tap[:, index : index + 1]
    return rows_of_cells.reshape(count, output_size, output_size, channels).permute(0, 3, 1, 2)
