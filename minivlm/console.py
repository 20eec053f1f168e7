"""What a command shows while it works: named steps with their time, and none of the libraries' chatter."""

import logging
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

from rich.console import Console
from rich.text import Text

from minivlm.process import message_stream


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what libraries print, warn and log off the terminal, also from native code.

    Compilers and runtimes write to file descriptors 1 and 2 directly, so these are redirected for the whole process
    while the block runs. If the block raises, the last lines that were held back are attached to the exception as a
    note, because that is where native code says what went wrong.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    saved = (os.dup(1), os.dup(2))
    with tempfile.TemporaryFile() as held, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging_was = logging.root.manager.disable
        logging.disable(logging.CRITICAL)
        os.dup2(held.fileno(), 1)
        os.dup2(held.fileno(), 2)
        try:
            yield
        except Exception as error:
            for note in _tail(held):
                error.add_note(note)
            raise
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for target, original in zip((1, 2), saved, strict=True):
                os.dup2(original, target)
                os.close(original)
            logging.disable(logging_was)


def _tail(held: IO[bytes], lines: int = 12) -> list[str]:
    sys.stdout.flush()
    sys.stderr.flush()
    held.seek(max(0, held.seek(0, os.SEEK_END) - 8192))
    return held.read().decode(errors="replace").splitlines()[-lines:]


class Steps:
    """Prints each step of a command with the time it took, on stderr, so that stdout holds results only."""

    def __init__(self) -> None:
        # A descriptor of its own: what is shown here must get past `quiet`.
        self.console = Console(file=message_stream(), highlight=False)
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Show a step: a spinner on a terminal, a line before it elsewhere, and a line with its time after it.

        What libraries print within the step stays hidden, see `quiet`.
        """
        start = time.perf_counter()
        shown: Any = self.console.status(Text(f"{name} ...")) if self.console.is_terminal else _no_status()
        if not self.console.is_terminal:
            self.console.print(f"  {name} ...", markup=False)
        with shown, quiet():
            yield
        self.seconds[name] = time.perf_counter() - start
        self.console.print(f"  {name:<44} {self.seconds[name]:6.1f} s", markup=False)

    def say(self, text: str) -> None:
        """Print a line between steps."""
        self.console.print(text, markup=False, soft_wrap=True)


@contextmanager
def _no_status() -> Iterator[None]:
    yield
