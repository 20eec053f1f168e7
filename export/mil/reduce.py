"""MIL's reductions and selections of the largest, each as its documentation defines it."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
from torch import Tensor


def _reduction(operator: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Return a reduction over the given axes, or all of them."""

    def reduce(x: Tensor, axes: Tensor | None = None, keep_dims: Tensor | None = None) -> Tensor:
        over = list(range(x.dim())) if axes is None else axes.tolist()
        return operator(x, over, keepdim=keep_dims is not None and bool(keep_dims))

    return reduce


def _argmax(x: Tensor, axis: Tensor | None = None, keep_dims: Tensor | None = None, output_dtype: str = "") -> Tensor:
    """MIL leaves open which of equal values wins; here the first."""
    return x.argmax(dim=-1 if axis is None else int(axis), keepdim=keep_dims is not None and bool(keep_dims))


def _topk(
    x: Tensor,
    k: Tensor | None = None,
    axis: Tensor | None = None,
    ascending: Tensor | None = None,
    sort: Tensor | None = None,
    return_indices: Tensor | None = None,
    output_indices_dtype: str = "int32",
) -> tuple[Tensor, ...]:
    """MIL leaves open the order of equal values; here it is that of the input."""
    along = -1 if axis is None else int(axis)
    falling = not (ascending is not None and bool(ascending))
    values, indices = x.sort(dim=along, descending=falling, stable=True)
    count = 1 if k is None else int(k)
    found = (values.narrow(along, 0, count), indices.narrow(along, 0, count))
    return found if return_indices is None or bool(return_indices) else found[:1]


OPERATORS: Mapping[str, Callable[..., Tensor | tuple[Tensor, ...]]] = MappingProxyType(
    {
        "reduce_argmax": _argmax,
        "reduce_max": _reduction(torch.amax),
        "reduce_mean": _reduction(torch.mean),
        "reduce_min": _reduction(torch.amin),
        "reduce_sum": _reduction(torch.sum),
        "topk": _topk,
    }
)
"""By operator, what takes its inputs by name."""
