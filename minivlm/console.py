"""What a command shows while it works: what it does and for how long, on stderr, so that stdout holds results only."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from rich.console import Console
from rich.text import Text

from minivlm.process import message_stream
from minivlm.quiet import quiet

MANY = 10
"""Of more rounds than this, the progress is also shown where there is no terminal."""


class Steps:
    """Shows what is done, in three manners, and adds up the time of it.

    What libraries print meanwhile stays hidden, see `quiet`.

    Args:
        console: Where it is shown; None takes stderr.

    Attributes:
        seconds: Name -> seconds, in the order in which they were first done.
    """

    def __init__(self, console: Console | None = None) -> None:
        # A descriptor of its own: what is shown here must get past `quiet`.
        self.console = console or Console(file=message_stream(), highlight=False)
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Do one of the steps that a long command consists of: each leaves a line with its time."""
        if not self.console.is_terminal:
            self.say(f"  {name} ...")
        before = self.seconds.get(name, 0.0)
        with self._timed(name), self._status(f"{name} ..."), quiet():
            yield
        self.say(f"  {name:<44} {self.seconds[name] - before:6.1f} s")

    @contextmanager
    def stage(self, name: str, *, number: int = 1, of: int = 1) -> Iterator[None]:
        """Do what is shown only to a person who waits at a terminal, or one of several rounds of it."""
        shown = f"{name} {number}/{of}" if of > 1 else name
        if not self.console.is_terminal and of > MANY and number % MANY == 0:
            self.say(shown)
        with self._timed(name), self._status(f"{shown} ..."), quiet():
            yield

    @contextmanager
    def counting(self, name: str, every: int) -> Iterator[Callable[[int, int], None]]:
        """Do many small things; gives what is told which of them comes next, from 1, and of how many.

        Args:
            name: Of what is counted.
            every: How many there are between lines where there is no terminal.
        """
        last: int | None = None
        with self._timed(name), self._status(name) as status, quiet():

            def told(number: int, of: int) -> None:
                nonlocal last
                before, last = number - 1 if last is None else last, number
                shown = f"{name} {number:,}/{of:,}"
                if status is not None:
                    status.update(Text(shown))
                elif number // every > before // every:  # numbers may come in leaps
                    self.say(shown)

            yield told

    @contextmanager
    def telling(self, name: str, every: float) -> Iterator[Callable[[str], None]]:
        """Do what takes long; gives what shows a line about it in place of the last one.

        Args:
            name: Of what is done, before the line.
            every: Seconds between lines where there is no terminal.
        """
        told_at = -math.inf
        with self._timed(name), self._status(name) as status, quiet():

            def tell(text: str) -> None:
                nonlocal told_at
                if status is not None:
                    status.update(Text(f"{name}: {text}"))
                elif time.monotonic() - told_at >= every:
                    told_at = time.monotonic()
                    self.say(f"{name}: {text}")

            yield tell

    def say(self, text: str) -> None:
        """Print a line between steps."""
        self.console.print(text, markup=False, soft_wrap=True)

    def _status(self, text: str) -> AbstractContextManager[Any]:
        """Show a spinner on a terminal, and nothing elsewhere."""
        return self.console.status(Text(text)) if self.console.is_terminal else nullcontext()

    @contextmanager
    def _timed(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start
