"""Being asked to end, between steps: half a step could not be saved."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from minivlm.process import ENDING, Terminated

SIGNALS = (signal.SIGINT, *ENDING)


@dataclass
class Asked:
    """Whether somebody has asked the process to end.

    Attributes:
        number: The first signal's, 0 while there was none.
    """

    number: int = 0

    def end(self) -> None:
        """Unwind as the signal would have."""
        raise KeyboardInterrupt if self.number == signal.SIGINT else Terminated(self.number)


@contextmanager
def listening() -> Iterator[Asked]:
    """Note signals that ask the process to end instead of obeying them; the second one counts at once.

    Those that the process was started to ignore stay ignored.
    """
    asked = Asked()
    before = {}
    if threading.current_thread() is threading.main_thread():
        before = {number: signal.getsignal(number) for number in SIGNALS}
        before = {number: handler for number, handler in before.items() if handler is not signal.SIG_IGN}

    def note(number: int, frame: FrameType | None) -> None:
        if asked.number:
            for each, handler in before.items():
                signal.signal(each, handler)
            asked.end()
        asked.number = number

    for number in before:
        signal.signal(number, note)
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
