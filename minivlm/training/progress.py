"""What is shown while a training runs: where it is, the loss, the speed and the time left."""

import time
from collections import deque
from collections.abc import Callable

SMOOTH = 50
"""Steps over which loss and speed are averaged."""


class Progress:
    """One line that is told anew after every step.

    Args:
        steps: Of the whole training.
        tell: Shows a line.
    """

    def __init__(self, steps: int, tell: Callable[[str], None]) -> None:
        self._steps = steps
        self._tell = tell
        self._losses: deque[float] = deque(maxlen=SMOOTH)
        self._times: deque[float] = deque([time.perf_counter()], maxlen=SMOOTH + 1)

    def step(self, done: int, loss: float, examples: int) -> None:
        """Show a step.

        Args:
            done: Steps so far.
            loss: Of this one.
            examples: That every step takes.
        """
        self._losses.append(loss)
        self._times.append(time.perf_counter())
        each = (self._times[-1] - self._times[0]) / (len(self._times) - 1)
        mean = sum(self._losses) / len(self._losses)
        left = duration(each * (self._steps - done))
        self._tell(f"step {done:,}/{self._steps:,}  loss {mean:.4g}  {examples / each:.3g} examples/s  {left} left")


def duration(seconds: float) -> str:
    """Return a time for people, such as "2 h 05 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"
