"""MIL's operators that move values without changing them, each as its documentation defines it."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import torch
from torch import Tensor

from minivlm.errors import UserError


def _band_part(x: Tensor, lower: Tensor | None = None, upper: Tensor | None = None) -> Tensor:
    """Keep so many diagonals below and above the main one of each matrix, all where the number is negative."""
    below, above = (-1 if count is None else int(count) for count in (lower, upper))
    x = x if below < 0 else x.triu(-below)
    return x if above < 0 else x.tril(above)


def _concat(values: Sequence[Tensor], axis: Tensor, interleave: Tensor | None = None) -> Tensor:
    if interleave is not None and bool(interleave):
        raise UserError("concat with interleave: the reference executor joins without")
    return torch.cat(list(values), dim=int(axis))


def _expand_dims(x: Tensor, axes: Tensor) -> Tensor:
    rank = x.dim() + axes.numel()
    for axis in sorted(axis % rank for axis in axes.tolist()):
        x = x.unsqueeze(axis)
    return x


def _fill_like(ref_tensor: Tensor, value: Tensor) -> Tensor:
    return value.expand(ref_tensor.shape)


def _gather(
    x: Tensor,
    indices: Tensor,
    axis: Tensor | None = None,
    batch_dims: Tensor | None = None,
    validate_indices: Tensor | None = None,
) -> Tensor:
    """Take slices along an axis; negative indices count from the end."""
    if batch_dims is not None and int(batch_dims):
        raise UserError(f"gather with {int(batch_dims)} batch dimensions: the reference executor knows none")
    along = 0 if axis is None else int(axis) % x.dim()
    size = x.shape[along]
    wanted = torch.where(indices < 0, indices + size, indices).long()
    if ((wanted < 0) | (wanted >= size)).any():
        raise UserError(f"gather reads outside of {size} entries: from {int(indices.min())} to {int(indices.max())}")
    taken = x.index_select(along, wanted.reshape(-1))
    return taken.reshape(*x.shape[:along], *indices.shape, *x.shape[along + 1 :])


def _reshape(x: Tensor, shape: Tensor) -> Tensor:
    """-1 takes what is left, 0 keeps the size at that place."""
    sizes = [x.shape[place] if size == 0 else size for place, size in enumerate(shape.tolist())]
    return x.reshape(sizes)


def _slice_by_index(
    x: Tensor,
    begin: Tensor,
    end: Tensor,
    stride: Tensor | None = None,
    begin_mask: Tensor | None = None,
    end_mask: Tensor | None = None,
    squeeze_mask: Tensor | None = None,
) -> Tensor:
    """x[begin:end:stride]; a mask ignores an axis' begin or end, or takes one entry and drops the axis."""
    rank = begin.numel()
    steps = [1] * rank if stride is None else stride.tolist()
    no_begin, no_end, drop = (
        [False] * rank if mask is None else mask.tolist() for mask in (begin_mask, end_mask, squeeze_mask)
    )
    for axis, (first, last, step) in enumerate(zip(begin.tolist(), end.tolist(), steps, strict=True)):
        size = x.shape[axis]
        if step <= 0:
            raise UserError(f"slice_by_index with stride {step}: the reference executor goes forward")
        if drop[axis]:
            chosen = slice(first % size, first % size + 1)
        else:
            chosen = slice(None if no_begin[axis] else first, None if no_end[axis] else last, step)
        x = x[(slice(None),) * axis + (chosen,)]
    return x.reshape([size for axis, size in enumerate(x.shape) if axis >= rank or not drop[axis]])


def _split(
    x: Tensor, axis: Tensor, num_splits: Tensor | None = None, split_sizes: Tensor | None = None
) -> tuple[Tensor, ...]:
    along = int(axis)
    if split_sizes is not None:
        return tuple(x.split(split_sizes.tolist(), dim=along))
    parts = int(num_splits) if num_splits is not None else 1
    return tuple(x.split(x.shape[along] // parts, dim=along))


def _squeeze(x: Tensor, axes: Tensor | None = None) -> Tensor:
    every = [axis for axis, size in enumerate(x.shape) if size == 1]
    dropped = every if axes is None else [axis % x.dim() for axis in axes.tolist()]
    return x.reshape([size for axis, size in enumerate(x.shape) if axis not in dropped])


def _stack(values: Sequence[Tensor], axis: Tensor) -> Tensor:
    return torch.stack(list(values), dim=int(axis))


def _tile(x: Tensor, reps: Tensor) -> Tensor:
    return x.repeat(reps.tolist())


def _transpose(x: Tensor, perm: Tensor) -> Tensor:
    return x.permute(perm.tolist())


def _upsample(x: Tensor, scale_factor_height: Tensor, scale_factor_width: Tensor) -> Tensor:
    """Repeat every cell of the last two axes."""
    for dim, factor in ((-2, float(scale_factor_height)), (-1, float(scale_factor_width))):
        if factor != int(factor):
            raise UserError(f"upsample_nearest_neighbor by {factor}: the reference executor takes whole factors")
        x = x.repeat_interleave(int(factor), dim=dim)
    return x


OPERATORS: Mapping[str, Callable[..., Tensor | tuple[Tensor, ...]]] = MappingProxyType(
    {
        "band_part": _band_part,
        "concat": _concat,
        "expand_dims": _expand_dims,
        "fill_like": _fill_like,
        "gather": _gather,
        "identity": lambda x: x,
        "reshape": _reshape,
        "slice_by_index": _slice_by_index,
        "split": _split,
        "squeeze": _squeeze,
        "stack": _stack,
        "tile": _tile,
        "transpose": _transpose,
        "upsample_nearest_neighbor": _upsample,
    }
)
"""By operator, what takes its inputs by name."""
