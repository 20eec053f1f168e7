"""Names, shapes and element types of an artifact's inputs and outputs, as its runtime tells them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor


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


def as_declared(tensors: Sequence[Tensor], specs: Sequence[TensorSpec]) -> list[Tensor]:
    """Return inputs in the element types that an artifact declares: some formats have no int64."""
    return [tensor.to(getattr(torch, spec.dtype)) for tensor, spec in zip(tensors, specs, strict=True)]


def widened(tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Return outputs as PyTorch's model gives them: whole numbers in int64, whatever the format has."""
    return tuple(tensor.to(torch.int64) if tensor.dtype == torch.int32 else tensor for tensor in tensors)


def _named(specs: Sequence[TensorSpec], names: Sequence[str]) -> list[TensorSpec]:
    if [spec.name or name for spec, name in zip(specs, names, strict=True)] != list(names):
        raise ValueError(f"{', '.join(spec.name for spec in specs)} instead of {', '.join(names)}")
    return [replace(spec, name=name) for spec, name in zip(specs, names, strict=True)]
