"""Names, shapes and element types of an artifact's inputs and outputs, as its runtime tells them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from minivlm.errors import UserError


@dataclass(frozen=True)
class TensorSpec:
    """Name, shape and element type of one input or output; no name where a format has none."""

    name: str
    shape: list[int]
    dtype: str

    @classmethod
    def of(cls, name: str, tensor: Tensor) -> "TensorSpec":
        """Describe a tensor."""
        return cls(name, list(tensor.shape), str(tensor.dtype).removeprefix("torch."))

    def __str__(self) -> str:
        return f"{self.name} {self.dtype} {self.shape}".strip()


@dataclass(frozen=True)
class Interface:
    """What a method takes and gives, in order."""

    inputs: list[TensorSpec]
    outputs: list[TensorSpec]

    def named(self, inputs: Sequence[str], outputs: Sequence[str]) -> "Interface":
        """Return the same with these names where there are none.

        Raises:
            ValueError: There are other names, or another number of them.
        """
        return Interface(_named(self.inputs, inputs), _named(self.outputs, outputs))


def prepared(method: str, inputs: Sequence[Any], specs: Sequence[TensorSpec]) -> list[Tensor]:
    """Bring inputs into the form that runtimes read without asking: dense, row by row, on the CPU, of their own dtype.

    Floats of any width become the runtime's, whole numbers too where they fit. ExecuTorch, for one, takes a
    channels-last image for one whose rows are colours, without a word.

    Args:
        method: For messages.
        inputs: Tensors or NumPy arrays in the order of the method.
        specs: What the runtime takes.

    Raises:
        UserError: Too few or too many, another shape, or values of another kind.
    """
    told = [replace(spec, name=spec.name or f"number {number}") for number, spec in enumerate(specs, start=1)]
    if len(inputs) != len(specs):
        names = ", ".join(wanted.name for wanted in told)
        raise UserError(f"{method} takes {len(specs)} inputs ({names}), and {len(inputs)} were given")
    return [_dense(_tensor(given, wanted), wanted) for given, wanted in zip(inputs, told, strict=True)]


def _tensor(given: Any, wanted: TensorSpec) -> Tensor:
    """Take a tensor or an array, of the right shape."""
    if isinstance(given, np.ndarray) and given.dtype.kind in "fiu":
        given = torch.tensor(given.astype(given.dtype.newbyteorder("=")))  # its copy knows no negative strides
    if not isinstance(given, Tensor) or given.layout is not torch.strided or given.is_quantized or given.is_meta:
        raise UserError(f"input {wanted.name} is a {type(given).__name__}: give a dense tensor with values")
    if list(given.shape) != wanted.shape:
        raise UserError(f"input {wanted.name} takes shape {tuple(wanted.shape)}, and {tuple(given.shape)} was given")
    return given


def _dense(given: Tensor, wanted: TensorSpec) -> Tensor:
    """Convert a tensor to the dtype and layout that are wanted."""
    dtype: torch.dtype = getattr(torch, wanted.dtype)
    whole = not (given.dtype.is_floating_point or given.dtype.is_complex or given.dtype is torch.bool)
    if given.dtype.is_floating_point != dtype.is_floating_point or not (whole or given.dtype.is_floating_point):
        raise UserError(f"input {wanted.name} takes {wanted.dtype}, and {_name(given.dtype)} was given")
    dense = given.detach().to("cpu", dtype)
    if whole and not torch.equal(dense.to(torch.int64), given.detach().to("cpu", torch.int64)):
        raise UserError(f"input {wanted.name} takes {wanted.dtype}, and larger numbers were given")
    # Through one dimension: sides of length 1 may have any stride, and count as contiguous with it.
    return dense.contiguous().reshape(-1).reshape(wanted.shape)


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def widened(tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Return outputs as PyTorch's model gives them: whole numbers in int64, whatever the format has."""
    return tuple(tensor.to(torch.int64) if tensor.dtype == torch.int32 else tensor for tensor in tensors)


def _named(specs: Sequence[TensorSpec], names: Sequence[str]) -> list[TensorSpec]:
    if [spec.name or name for spec, name in zip(specs, names, strict=True)] != list(names):
        raise ValueError(f"{', '.join(spec.name for spec in specs)} instead of {', '.join(names)}")
    return [replace(spec, name=name) for spec, name in zip(specs, names, strict=True)]
