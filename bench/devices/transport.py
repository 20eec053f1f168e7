"""What a phone's tool must do for the benchmark, and the running of such tools."""

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from bench.records.record import Failure
from minivlm.errors import UserError

PACKAGE = "org.minivlm.demo"
"""Of the sample app on both systems."""
TOOL_SECONDS = 600.0
"""In which a single command of a tool must end; copying a large artifact takes the longest."""


class Transport(Protocol):
    """The way to the sample app on one phone. Paths of the app's files are relative to its folder, such as "models/x".

    Every member raises `UserError` when the phone is gone or refuses.
    """

    def check(self) -> None:
        """See that tool, phone and app are there and ready.

        Raises:
            UserError: Naming what is missing and how to get it.
        """
        ...

    def describe(self) -> Mapping[str, Any]:
        """Return what can be told of the phone from outside, under the names of `Record.environment`.

        "serial" tells phones of one make apart; "cores" is left out where it is not known.
        """
        ...

    def hold(self) -> str:
        """Keep the phone awake until `release`; returns in one line why that cannot be, empty where it can."""
        ...

    def release(self) -> None:
        """Stop the app, and put the phone's settings back as they were before `hold`."""
        ...

    def push(self, source: Path, folder: str) -> None:
        """Copy a file or folder, under its own name, into a folder of the app's."""
        ...

    def start(self, arguments: Mapping[str, Any]) -> None:
        """Start the app's benchmark mode anew; names of arguments have underscores."""
        ...

    def pull(self, path: str) -> bytes | None:
        """Return the content of one of the app's files; None if it is not there."""
        ...

    def running(self) -> bool:
        """Tell whether the app's process is there."""
        ...

    def last_words(self) -> list[str]:
        """Return the last lines that the app logged since its start; none where the system keeps no log."""
        ...

    def death(self) -> Failure:
        """Say why the process of the last start is gone.

        Returns:
            The reason goes on after "while it did so, the app": what happened, and the way out. The lines are those of
            the crash and the app's own last ones.
        """
        ...


def require_tool(name: str, way_out: str) -> None:
    """Refuse to go on without a program.

    Raises:
        UserError: It is not on the PATH.
    """
    if shutil.which(name) is None:
        raise UserError(f"{name} is not on the PATH, and reaches the phone: {way_out}")


def run_tool(command: Sequence[str], seconds: float = TOOL_SECONDS) -> subprocess.CompletedProcess[bytes]:
    """Run a program of the platform's tools, whatever its exit code; it reads nothing from this terminal.

    Args:
        command: Program and arguments.
        seconds: In which it must end.

    Raises:
        UserError: It did not end.
    """
    try:
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=seconds)
    except subprocess.TimeoutExpired:
        raise UserError(
            f"{command[0]} did not answer within {seconds:g} s: check the cable, unlock the phone, and use --resume"
        ) from None


def complaint(done: subprocess.CompletedProcess[bytes]) -> str:
    """Return the last line that a program wrote."""
    lines = [line.strip() for line in (done.stdout + b"\n" + done.stderr).decode(errors="replace").splitlines()]
    said = [line for line in lines if line]
    return said[-1] if said else f"exit code {done.returncode}"
