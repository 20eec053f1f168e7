"""MIL's element-wise operators, each as its documentation defines it. All broadcast as NumPy does."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
from torch import Tensor
from torch.nn import functional as F

from minivlm.errors import UserError


def _cast(x: Tensor, dtype: str) -> Tensor:
    """Floats become whole numbers by dropping what is behind the point, and false where they are zero."""
    if dtype == "bool":
        return x != 0
    return x.trunc() if dtype.removeprefix("u").startswith("int") and x.is_floating_point() else x


def _clip(x: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
    return torch.minimum(torch.maximum(x, alpha), beta)


def _gelu(x: Tensor, mode: str = "EXACT") -> Tensor:
    if mode != "EXACT":
        raise UserError(f"gelu of mode {mode}: the reference executor knows EXACT")
    return 0.5 * x * (1.0 + torch.erf(x / 2.0**0.5))


def _floor_div(x: Tensor, y: Tensor) -> Tensor:
    return torch.div(x, y, rounding_mode="floor")


def _select(cond: Tensor, a: Tensor, b: Tensor) -> Tensor:
    return torch.where(cond, a, b)


def _binary(operator: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Give an operator MIL's names of its operands."""
    return lambda x, y: operator(x, y)


def _unary(operator: Callable[..., Tensor]) -> Callable[..., Tensor]:
    return lambda x: operator(x)


_UNARY: Mapping[str, Callable[..., Tensor]] = MappingProxyType(
    {
        "abs": torch.abs,
        "exp": torch.exp,
        "floor": torch.floor,
        "logical_not": torch.logical_not,
        "relu": torch.relu,
        "relu6": F.relu6,
        "sigmoid": torch.sigmoid,
        "silu": F.silu,
        "tanh": torch.tanh,
    }
)

_BINARY: Mapping[str, Callable[..., Tensor]] = MappingProxyType(
    {
        "add": torch.add,
        "equal": torch.eq,
        "greater": torch.gt,
        "greater_equal": torch.ge,
        "less": torch.lt,
        "less_equal": torch.le,
        "logical_and": torch.logical_and,
        "logical_or": torch.logical_or,
        "maximum": torch.maximum,
        "minimum": torch.minimum,
        "mul": torch.mul,
        "not_equal": torch.ne,
        "real_div": torch.div,
        "sub": torch.sub,
    }
)

OPERATORS: Mapping[str, Callable[..., Tensor]] = MappingProxyType(
    {
        **{name: _unary(operator) for name, operator in _UNARY.items()},
        **{name: _binary(operator) for name, operator in _BINARY.items()},
        "cast": _cast,
        "clip": _clip,
        "floor_div": _floor_div,
        "gelu": _gelu,
        "select": _select,
    }
)
"""By operator, what takes its inputs by name: tensors, and text as str."""
