"""What a command finds around it: three streams, which may be closed or full, and signals that ask it to end."""

import io
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, NoReturn, TextIO

GRACE_SECONDS = 10.0
"""What a child gets to remove its temporary files before it is killed."""
ENDING = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))


class PipeClosedError(Exception):
    """Whoever read stdout has stopped: there is nobody to tell anything, as after `| head`."""


class StdoutError(Exception):
    """Results cannot be written to stdout; the message says why."""


class Terminated(KeyboardInterrupt):  # like the one it unwinds as
    """The process was asked to end; unwinds as Ctrl-C does.

    Attributes:
        number: Of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


class _Results(io.FileIO):
    """Stdout: what cannot be written there is told apart from every other error of the system's, and remembered."""

    lost: PipeClosedError | StdoutError | None = None

    def write(self, data: Any, /) -> int:
        if self.lost is not None:
            return len(data)
        try:
            return super().write(data)
        except BrokenPipeError:
            self.lost = PipeClosedError()
        except OSError as error:
            self.lost = StdoutError(error.strerror or str(error))
        raise self.lost


class _Messages(io.FileIO):
    """Stderr: a message that nobody can read ends no work."""

    def write(self, data: Any, /) -> int:
        with suppress(OSError):
            return super().write(data)
        return len(data)


def message_stream() -> TextIO:
    """Return a stream to stderr over a descriptor of its own, which redirecting stderr leaves alone."""
    try:
        descriptor = os.dup(2)
    except OSError:  # closed
        descriptor = os.open(os.devnull, os.O_WRONLY)
    return _text(_Messages(descriptor, "w"), sys.stderr)


@contextmanager
def usable_streams() -> Iterator[None]:
    """Give a command three open streams; what is written to stdout has arrived at the end, or an error is raised.

    A stream that is closed gets its place taken, or else the next file to be opened would, and libraries would write
    their chatter into it. Nothing can be written to a closed stdout, and what is written to a closed stderr is lost.
    Streams that a caller has put in place of the process's own are left alone.

    Raises:
        PipeClosedError: Stdout's reader is gone.
        StdoutError: Stdout is full, or something was written to a closed one.
    """
    _occupy()
    own = sys.stdout, sys.stderr
    results: _Results | None = None
    if own[0] is sys.__stdout__:
        results = _Results(1, "w", closefd=False)
        sys.stdout = _text(results, own[0])
    if own[1] is sys.__stderr__:
        sys.stderr = _text(_Messages(2, "w", closefd=False), own[1])
    try:
        yield
        _delivered(results)
    except SystemExit:
        _delivered(results)
        raise
    finally:
        sys.stdout, sys.stderr = own


def _delivered(results: _Results | None) -> None:
    sys.stdout.flush()
    if results is not None and results.lost is not None:
        raise results.lost


def _occupy() -> None:
    """Open the null device in place of closed standard streams; for reading, and so taking nothing, as stdout."""
    for descriptor, flags in ((0, os.O_RDONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, flags)  # takes the lowest number that is free


def _text(raw: io.FileIO, model: TextIO | None) -> TextIO:
    """Return a text stream with another's encoding that escapes what it cannot show."""
    encoding = getattr(model, "encoding", None)
    by_line = raw.isatty() or isinstance(raw, _Messages)
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding, "backslashreplace", line_buffering=by_line)


@contextmanager
def terminable() -> Iterator[None]:
    """Let signals that ask the process to end raise `Terminated`, so that it cleans up; once, as some are sent twice.

    Those that the process was started to ignore, as under nohup, stay ignored.
    """
    caught = []
    if threading.current_thread() is threading.main_thread():
        caught = [number for number in ENDING if signal.getsignal(number) is signal.SIG_DFL]

    def end(number: int, frame: FrameType | None) -> NoReturn:
        for each in caught:
            signal.signal(each, signal.SIG_IGN)
        raise Terminated(number)

    for number in caught:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in caught:
            signal.signal(number, signal.SIG_DFL)


def end_group(process: subprocess.Popen[Any]) -> None:
    """End a process that leads a group of its own, and the group: asked first, so that it cleans up, then killed."""
    if process.poll() is None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_SECONDS)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def run_child(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run a command of this project to its end, its output captured; if this process must end, so must it, cleanly."""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace", start_new_session=True
    ) as process:
        try:
            out, err = process.communicate()
        finally:
            end_group(process)
    return subprocess.CompletedProcess(command, process.returncode, out, err)
