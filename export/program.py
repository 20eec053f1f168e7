"""An artifact, loaded and ready to run: what every runtime offers to those who know nothing about it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

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
        """Run a method; inputs and outputs in the order and with the dtypes that the sidecar gives them."""
        ...


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
