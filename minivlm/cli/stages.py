"""Timing what a command does, and showing it only to a person who waits at a terminal."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.text import Text

from minivlm.console import quiet
from minivlm.process import message_stream

MANY = 10
"""Of more photos than this, the progress is also shown where there is no terminal."""


class Stages:
    """Runs named stages without the libraries' chatter and adds up their time.

    Attributes:
        seconds: Stage -> seconds, in the order of their first run.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        # A descriptor of its own: what is shown must get past `quiet`.
        self._console = Console(file=message_stream())

    @contextmanager
    def stage(self, name: str, *, number: int = 1, of: int = 1) -> Iterator[None]:
        """Run a stage, or one of several rounds of it."""
        shown = f"{name} {number}/{of}" if of > 1 else name
        start = time.perf_counter()
        try:
            if self._console.is_terminal:
                with self._console.status(Text(f"{shown} ...")), quiet():
                    yield
            else:
                if of > MANY and number % MANY == 0:
                    self._console.print(Text(shown))
                with quiet():
                    yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start
