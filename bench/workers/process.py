"""Measurements in processes of their own, which may crash or hang without harm to the rest."""

import contextlib
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from bench.records.record import Failure
from bench.workers.turns import VARIABLE, conducting
from minivlm.process import end_group

WORKER = (sys.executable, "-m", "bench.measure.worker")
STDERR_LINES = 12
LONGEST_STEP = 3600.0
"""Seconds that an export may take without a word."""
POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Answer:
    """What a process gave: its last line, or why there is none."""

    line: str = ""
    failure: Failure | None = None


def ask(question: str, silence: float, command: Sequence[str] = WORKER) -> Answer:
    """Start a process, give it one line, and return the last line it writes.

    Args:
        question: The line, without its end. The process' standard input stays open as long as this function runs.
        silence: Seconds for which it may write nothing before it is taken to hang and is stopped.
        command: What to run.
    """
    with tempfile.TemporaryFile() as stderr, _started(command, stderr, {}) as process:
        return _asked(process, question, silence, stderr)


def ask_in_turns(questions: Sequence[str], silence: float, command: Sequence[str] = WORKER) -> list[Answer]:
    """Ask processes that are alive at once and take turns; each is started when the one before has loaded.

    Args:
        questions: One for each process.
        silence: As for `ask`; half of it is also what the others wait for one that neither loads nor ends its turn.
        command: What to run.
    """
    patience = silence / 2.0
    with ThreadPoolExecutor(len(questions)) as pool, ExitStack() as stack:
        conductor = stack.enter_context(conducting(len(questions), patience))
        asked = []
        for question in questions:
            stderr = stack.enter_context(tempfile.TemporaryFile())
            process = stack.enter_context(_started(command, stderr, {VARIABLE: str(conductor.path)}))
            stack.callback(end_group, process)  # where this process is interrupted, threads go on until theirs end
            asked.append(pool.submit(_asked, process, question, silence, stderr))
            conductor.wait_for_next(asked[-1].done, patience)
        return [each.result() for each in asked]


def watch(process: subprocess.Popen[Any], said: Path, silence: float) -> Failure:
    """Wait until a process of the benchmark's own ends; one that hangs is stopped.

    Args:
        process: Leader of a group of its own.
        said: File that takes its standard error, where it says which step it takes.
        silence: Seconds for which it may say nothing at first; later a step may take `LONGEST_STEP` more.

    Returns:
        How it ended, should that be a failure.
    """
    size, since = 0, time.monotonic()
    while process.poll() is None:
        if said.stat().st_size != size:
            size, since = said.stat().st_size, time.monotonic()
        limit = silence + (LONGEST_STEP if size else 0.0)
        if time.monotonic() - since > limit:
            end_group(process)
            with said.open("rb") as stderr:
                return Failure(None, f"stopped: it said nothing for {limit:g} s (--timeout)", _tail(stderr))
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(POLL_SECONDS)
    with said.open("rb") as stderr:
        answer = _answer(b"", process.returncode, stderr)
    return answer.failure or Failure(process.returncode, "ended without a word")


def _started(command: Sequence[str], stderr: IO[bytes], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start a process in a group of its own, so that it is stopped together with whatever it starts.

    Args:
        command: What to run.
        stderr: Where its standard error goes.
        environment: What it has beside this process's.
    """
    return subprocess.Popen(
        command, env={**os.environ, **environment}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr,
        bufsize=-1, start_new_session=True,
    )  # fmt: skip


def _asked(process: subprocess.Popen[bytes], question: str, silence: float, stderr: IO[bytes]) -> Answer:
    """Give a process its question, wait for its answer, and end it."""
    assert process.stdin is not None
    try:
        with contextlib.suppress(BrokenPipeError):  # it has ended already; its exit code says more
            process.stdin.write(question.encode() + b"\n")
            process.stdin.flush()
        written = _read(process, silence)
        if written is None:
            return _failed(f"stopped: nothing finished within {silence:g} s (--timeout)", None, stderr)
        return _answer(written, process.wait(), stderr)
    finally:
        end_group(process)


def _read(process: subprocess.Popen[bytes], silence: float) -> bytes | None:
    """Return all that a process writes until it closes its output; None if it falls silent."""
    assert process.stdout is not None
    written = b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        deadline = time.monotonic() + silence
        while selector.select(max(0.0, deadline - time.monotonic())):
            piece = os.read(process.stdout.fileno(), 65536)
            if not piece:
                return written
            written += piece
            deadline = time.monotonic() + silence
    return None


def _answer(written: bytes, code: int, stderr: IO[bytes]) -> Answer:
    lines = written.decode(errors="replace").strip().splitlines()
    if code == 0 and lines:
        return Answer(lines[-1])
    if code < 0:
        return _failed(f"killed by {_signal_name(-code)}", code, stderr)
    last = _tail(stderr)[-1:]
    if code == 2 and last and last[0].startswith("error: "):
        return _failed(last[0].removeprefix("error: "), code, stderr)
    return _failed(f"ended with exit code {code}" + (f": {last[0]}" if last else " and no answer"), code, stderr)


def _failed(reason: str, code: int | None, stderr: IO[bytes]) -> Answer:
    return Answer(failure=Failure(code, reason, _tail(stderr)))


def _tail(stderr: IO[bytes]) -> list[str]:
    """Return the last lines that are not empty."""
    stderr.seek(max(0, stderr.seek(0, os.SEEK_END) - 8192))
    lines = stderr.read().decode(errors="replace").splitlines()
    return [line for line in lines if line.strip()][-STDERR_LINES:]


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
