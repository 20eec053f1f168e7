"""An artifact, loaded and ready to run: what every runtime offers to those who know nothing about it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from export.formats import format_of, program_class
from minivlm.errors import UserError
from minivlm.files import exists


class Program(Protocol):
    """A loaded artifact. Its class takes the path and the number of threads, None for the runtime's default."""

    @property
    def threads(self) -> int:
        """Threads that the runtime says it uses."""
        ...

    @property
    def methods(self) -> list[str]:
        """Names of the methods, sorted."""
        ...

    @property
    def planned_bytes(self) -> int | None:
        """Memory that the runtime itself says it planned for the methods loaded so far; None where it tells none."""
        ...

    def load(self, method: str) -> None:
        """Load a method now, rather than at its first call.

        Raises:
            UserError: The artifact has no such method.
        """
        ...

    def run(self, method: str, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Run a method; inputs and outputs in the order and with the dtypes that the sidecar gives them.

        Raises:
            UserError: The artifact has no such method, or these are not its inputs; see `prepared`.
        """
        ...


@dataclass(frozen=True)
class Accepted:
    """An input as a runtime says that it takes it."""

    name: str
    shape: tuple[int, ...]
    dtype: torch.dtype


def prepared(method: str, inputs: Sequence[Any], accepted: Sequence[Accepted]) -> list[Tensor]:
    """Bring inputs into the form that runtimes read without asking: dense, row by row, on the CPU, of their own dtype.

    Floats of any width become the runtime's, whole numbers too where they fit. ExecuTorch, for one, takes a
    channels-last image for one whose rows are colours, without a word.

    Args:
        method: For messages.
        inputs: Tensors or NumPy arrays in the order of the method.
        accepted: What the runtime takes.

    Raises:
        UserError: Too few or too many, another shape, or values of another kind.
    """
    if len(inputs) != len(accepted):
        names = ", ".join(wanted.name for wanted in accepted)
        raise UserError(f"{method} takes {len(accepted)} inputs ({names}), and {len(inputs)} were given")
    return [_dense(_tensor(given, wanted), wanted) for given, wanted in zip(inputs, accepted, strict=True)]


def _tensor(given: Any, wanted: Accepted) -> Tensor:
    """Take a tensor or an array, of the right shape."""
    if isinstance(given, np.ndarray) and given.dtype.kind in "fiu":
        given = torch.tensor(given.astype(given.dtype.newbyteorder("=")))  # its copy knows no negative strides
    if not isinstance(given, Tensor) or given.layout is not torch.strided or given.is_quantized or given.is_meta:
        raise UserError(f"input {wanted.name} is a {type(given).__name__}: give a dense tensor with values")
    if tuple(given.shape) != wanted.shape:
        raise UserError(f"input {wanted.name} takes shape {wanted.shape}, and {tuple(given.shape)} was given")
    return given


def _dense(given: Tensor, wanted: Accepted) -> Tensor:
    """Convert a tensor to the dtype and layout that are wanted."""
    whole = not (given.dtype.is_floating_point or given.dtype.is_complex or given.dtype is torch.bool)
    if given.dtype.is_floating_point != wanted.dtype.is_floating_point or not (whole or given.dtype.is_floating_point):
        raise UserError(f"input {wanted.name} takes {_name(wanted.dtype)}, and {_name(given.dtype)} was given")
    dense = given.detach().to("cpu", wanted.dtype)
    if whole and not torch.equal(dense.to(torch.int64), given.detach().to("cpu", torch.int64)):
        raise UserError(f"input {wanted.name} takes {_name(wanted.dtype)}, and larger numbers were given")
    # Through one dimension: sides of length 1 may have any stride, and count as contiguous with it.
    return dense.contiguous().reshape(-1).reshape(wanted.shape)


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def require_method(method: str, methods: Sequence[str]) -> None:
    """Refuse a method that an artifact lacks.

    Raises:
        UserError: Naming those that it has.
    """
    if method not in methods:
        raise UserError(f"this artifact has no method {method!r}: it has {', '.join(methods)}")


def open_program(path: Path, threads: int | None = None) -> Program:
    """Load an artifact in the runtime that its suffix announces.

    Args:
        path: The artifact, a file or a folder.
        threads: Of the runtime; None leaves its default.

    Raises:
        UserError: No such artifact, a damaged one, or a runtime that is not installed.
    """
    target = format_of(path)
    if not exists(path):
        raise UserError(f"{path} does not exist: make it with {target.command}")
    program: Program = program_class(target)(path, threads)
    return program
