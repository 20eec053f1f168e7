"""A terminal that shows what it was told, and everything that libraries print to one."""

import logging
import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout

import pytest


@contextmanager
def terminal(capfd: pytest.CaptureFixture[str]) -> Iterator[Callable[[], tuple[str, str]]]:
    """Put the standard streams on file descriptors 1 and 2, as in a real process; pytest's own go past them.

    Yields what reads what was shown so far, on stdout and on stderr.
    """
    with open(1, "w", closefd=False) as out, open(2, "w", closefd=False) as err:

        def read() -> tuple[str, str]:
            out.flush()
            err.flush()
            return tuple(capfd.readouterr())

        with redirect_stdout(out), redirect_stderr(err):
            yield read


def chatter() -> None:
    """Everything that libraries do to a terminal, from Python, native code, loggers, warnings and children."""
    print("printed")
    print("complained", file=sys.stderr)
    os.write(1, b"native out\n")
    os.write(2, b"native err\n")
    logging.getLogger("library").error("logged")
    warnings.warn("warned", stacklevel=1)
    subprocess.run([sys.executable, "-c", "print('child')"], check=True)
