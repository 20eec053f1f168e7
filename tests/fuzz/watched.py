"""Doing rounds in a process of its own, which is watched: it may die or hang."""

import multiprocessing
import sys
import tempfile
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch

from tests.fuzz.kinds import Originals, make_round
from tests.fuzz.outcome import complaint, drop_privileges

HANGS_AFTER = 120.0
"""Seconds without an end of a round after which it hangs; the longest takes a few."""


def work_through(kind: str, rounds: range, originals: Originals, talk: Connection) -> None:
    """Do rounds in this process; sends (round, what is wrong or None) after each."""
    drop_privileges()
    torch.set_num_threads(1)
    for number in rounds:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name, inner_folder(Path(name)):
            command = make_round(kind, originals, Path(name), number)
            talk.send((number, command.arguments, None))
            talk.send((number, command.arguments, complaint(command, Path(name)) or ""))


@contextmanager
def inner_folder(work: Path) -> Iterator[None]:
    """Go down so far within a folder that no name of a round, such as "../../..", leads out of it."""
    inner = work.joinpath(*"within")
    inner.mkdir(parents=True)
    with chdir(inner):
        yield


def watched(kind: str, rounds: range, originals: Originals) -> list[str]:
    """Do rounds in a process of its own, in a new one after each that died; returns what went wrong."""
    found = []
    start = rounds.start
    while start < rounds.stop:
        ours, theirs = multiprocessing.Pipe()
        left = range(start, rounds.stop)
        # Not forked: threads of PyTorch in this process would be missing in the new one, which waits for them.
        worker = multiprocessing.get_context("spawn").Process(
            target=work_through, args=(kind, left, originals, theirs), daemon=True
        )
        worker.start()
        theirs.close()
        last: tuple[int, Any] = (start, ())
        try:
            while last[0] < rounds.stop:
                if not ours.poll(HANGS_AFTER):
                    found.append(describe(kind, last, f"hangs for {HANGS_AFTER:g} s"))
                    worker.kill()
                    break
                number, arguments, wrong = ours.recv()
                last = (number, arguments)
                if wrong:
                    found.append(describe(kind, last, wrong))
                if wrong is not None and number % 500 == 499:
                    print(f"  {kind}: {number + 1} rounds, {len(found)} wrong", file=sys.stderr, flush=True)
        except EOFError:
            worker.join()
            if worker.exitcode:
                found.append(describe(kind, last, f"the process died with {worker.exitcode}"))
        worker.join()
        start = rounds.stop if worker.exitcode == 0 else last[0] + 1
    return found


def describe(kind: str, last: tuple[int, Any], wrong: str) -> str:
    """Return a finding with what is needed to see it again."""
    line = f"{kind}, round {last[0]}: {list(last[1])!r:.600}\n{wrong.rstrip()}"
    print(line, flush=True)
    return line
