"""An artifact, loaded and ready to run: what every runtime offers to those who know nothing about it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from torch import Tensor

from export.core.acceleration import Adapter, DriverFacts, Placement
from export.core.formats import check_accelerator, format_of, program_class
from export.core.interface import Interface
from export.core.sidecar import Sidecar, sidecar_path
from minivlm.errors import UserError
from minivlm.storage.files import exists


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

    def interface(self, method: str) -> Interface:
        """Return what a method takes and gives, as the artifact itself declares it.

        Raises:
            UserError: The artifact has no such method.
        """
        ...

    def run(self, method: str, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Run a method, from any thread.

        Inputs and outputs are in the order of the sidecar. Whole numbers go in and come out as int64, whatever the
        artifact declares.

        Raises:
            UserError: The artifact has no such method, or these are not its inputs; see `interface.prepared`.
        """
        ...


class AcceleratedProgram(Program, Protocol):
    """A loaded artifact on an accelerator. Its class also takes `computed`, one of `Accelerator.computed`."""

    @staticmethod
    def require() -> None:
        """Refuse a machine without the accelerator, before anything is converted.

        Raises:
            UserError: Saying how to get it.
        """
        ...

    @staticmethod
    def driver() -> DriverFacts:
        """Return what can be told of the accelerator's driver before anything is loaded.

        Raises:
            UserError: There is none.
        """
        ...

    @property
    def adapter(self) -> Adapter:
        """What the accelerator is, as its driver says."""
        ...

    @property
    def computed(self) -> str:
        """In what it was told to compute."""
        ...

    def placement(self, method: str) -> Placement:
        """Return where a method's work runs.

        Raises:
            UserError: The artifact has no such method, or the accelerator does not take it.
        """
        ...


class PlannedProgram(Program, Protocol):
    """A loaded artifact whose runtime chooses among processors. Its class also takes one of `Format.units`."""

    def planned(self, method: str) -> Mapping[str, int]:
        """Return by processor how many operators the runtime prefers to run there; empty where it does not tell.

        Raises:
            UserError: The artifact has no such method.
        """
        ...


def require_method(method: str, methods: Sequence[str]) -> None:
    """Refuse a method that an artifact lacks.

    Raises:
        UserError: Naming those that it has.
    """
    if method not in methods:
        raise UserError(f"this artifact has no method {method!r}: it has {', '.join(methods)}")


def open_program(path: Path, threads: int | None = None) -> Program:
    """Load an artifact in the runtime that its suffix announces, once it is known to be what its sidecar describes.

    Without a sidecar, which only tasks need, there is nothing to hold it against.

    Args:
        path: The artifact, a file or a folder.
        threads: Of the runtime; None leaves its default.

    Raises:
        UserError: No such artifact, a damaged one, or a runtime that is not installed.
    """
    require_artifact(path)
    if exists(sidecar_path(path)):
        Sidecar.read(path)  # native code ends the whole process over a damaged file
    return load_program(path, threads)


def require_artifact(path: Path) -> None:
    """Refuse a path with nothing there.

    Raises:
        UserError: Saying how the artifact is made, or that no runtime takes such a name.
    """
    target = format_of(path)
    if not exists(path):
        raise UserError(f"{path} does not exist: make it with {target.command}")


def load_program(path: Path, threads: int | None = None) -> Program:
    """Load an artifact that was held against its sidecar already; see `open_program`."""
    program: Program = program_class(format_of(path))(path, threads)
    return program


def load_on_units(path: Path, units: str, threads: int | None = None) -> PlannedProgram:
    """Load an artifact in a runtime that chooses among processors.

    Args:
        path: That was held against its sidecar already.
        units: Among which, one of the format's.
        threads: See `load_program`.
    """
    program: PlannedProgram = program_class(format_of(path))(path, threads, units)
    return program


def load_accelerated(path: Path, precision: str, accelerator: str, threads: int | None = None) -> AcceleratedProgram:
    """Load an artifact on an accelerator.

    Args:
        path: That was held against its sidecar already.
        precision: What it is stored in.
        accelerator: Other than "cpu".
        threads: Of what runs on the CPU; None leaves the runtime's default.

    Raises:
        UserError: The accelerator is unknown, goes with neither the format nor the precision, or is not there.
    """
    target = format_of(path)
    check_accelerator(target, precision, accelerator)
    program: AcceleratedProgram = program_class(target, accelerator)(path, threads)
    return program
