"""Running a command line within this process, and what must be true of its end."""

import io
import json
import resource
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

from minivlm.errors import run_command

Main = Callable[[Sequence[str]], None]


@dataclass(frozen=True)
class Command:
    """A command line.

    Attributes:
        main: Of the command.
        arguments: Of the command line.
        codes: Exit codes that have a meaning.
        disk: Bytes that a file may have before the disk is full; None for no limit.
    """

    main: Main
    arguments: tuple[str, ...]
    codes: frozenset[int] = frozenset({0, 2})
    disk: int | None = None


def complaint(command: Command, folder: Path) -> str | None:
    """Run a command line; returns what is wrong with how it ended, None if nothing is.

    Args:
        command: What to run.
        folder: In which everything lies that it may write; searched for leftovers.
    """
    stdout, stderr = io.StringIO(), io.StringIO()
    code: object = 0
    with redirect_stdout(stdout), redirect_stderr(stderr), full_disk(command.disk):
        try:
            run_command(lambda: command.main(command.arguments))
        except SystemExit as error:
            code = error.code or 0
        except BaseException:
            return traceback.format_exc()
    said = stderr.getvalue()
    if code not in command.codes:
        return f"exit code {code}: {said[-2000:]}"
    if "Traceback" in said or "Traceback" in stdout.getvalue():
        return said[-2000:]
    if code == 2:
        errors = [line for line in said.split("\n") if line.startswith("error: ")]
        last = said.rstrip("\n").split("\n")[-1]
        if len(errors) != 1 or not last.startswith("error: "):
            return f"not one line: {said[-2000:]!r}"
    if code == 0 and "--json" in command.arguments and stdout.getvalue().lstrip().startswith("{"):
        try:
            json.loads(stdout.getvalue(), parse_constant=_no_number)
        except ValueError as error:
            return f"no JSON ({error}): {stdout.getvalue()[:500]}"
    left = [str(path) for path in folder.rglob("*") if path.name.endswith(".partial")]
    return f"left behind: {left}" if left else None


def _no_number(constant: str) -> float:
    raise ValueError(f"{constant} is no number of JSON's")


@contextmanager
def full_disk(most: int | None) -> Iterator[None]:
    """Let no file grow beyond so many bytes, as on a disk that is full; writing more is an error, not a signal."""
    if most is None:
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)


def drop_privileges() -> None:
    """Let permissions of files hold for root, too, where that can be had: on Linux, by giving up two capabilities."""
    if not sys.platform.startswith("linux"):
        return
    import ctypes

    override, search = 1 << 1, 1 << 2  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH of capability.h
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    sets = (ctypes.c_uint32 * 6)()
    libc = ctypes.CDLL(None)
    if libc.capget(header, sets) == 0:
        sets[0] &= ~(override | search)  # the effective set only: it can be taken back
        libc.capset(header, sets)
