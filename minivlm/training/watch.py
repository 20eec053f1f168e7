"""Telling a training that has gone wrong from one that is merely noisy."""

import math
from collections import deque
from statistics import median

LONG = 100
"""Steps over which the median is taken: as long must a loss be far too high."""
FAR = 3.0
"""Times the best median so far."""
LEAST = 0.5
"""Share of the first median below which nothing counts as gone wrong: a loss near 0 triples by chance."""


class Watch:
    """Looks at the losses of a training, step by step."""

    def __init__(self) -> None:
        self._last: deque[float] = deque(maxlen=LONG)
        self._first = math.nan
        self._best = math.inf
        self._seen = 0

    def see(self, loss: float) -> None:
        """Take the loss of the next step, a finite number."""
        self._last.append(loss)
        self._seen += 1
        if self._seen == LONG:
            self._first = median(self._last)
        if self._seen % LONG == 0:
            self._best = min(self._best, median(self._last))

    @property
    def suspicious(self) -> bool:
        """Whether the last losses are too high for their state to be kept."""
        return self._seen > LONG and self._far(median(list(self._last)[-LONG // 10 :]))

    @property
    def diverged(self) -> bool:
        """Whether losses have been far too high for long."""
        return self._seen > LONG and self._far(median(self._last))

    @property
    def told(self) -> str:
        """What was seen, for a message."""
        return f"the median loss of {LONG} steps is {median(self._last):.4g}, and was {self._best:.4g} before"

    def _far(self, loss: float) -> bool:
        return loss > FAR * self._best and loss > LEAST * self._first
