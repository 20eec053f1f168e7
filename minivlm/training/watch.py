"""Telling a training that has gone wrong from one that is merely noisy."""

import math
from collections import deque
from collections.abc import Mapping
from statistics import median

from minivlm.training.stage import TOTAL

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


class Watches:
    """Looks at each kind of step by itself, told by the names of its losses.

    A training on several tasks takes steps of one task each, whose losses are of different sizes: the median over all
    is now that of a small one and now that of a large one, and nothing has gone wrong.
    """

    def __init__(self) -> None:
        self._each: dict[frozenset[str], Watch] = {}

    def see(self, losses: Mapping[str, float]) -> None:
        """Take the losses of the next step, finite numbers, the total among them."""
        self._each.setdefault(frozenset(losses), Watch()).see(losses[TOTAL])

    @property
    def suspicious(self) -> bool:
        """Whether the last losses of any kind are too high for their state to be kept."""
        return any(watch.suspicious for watch in self._each.values())

    @property
    def diverged(self) -> bool:
        """Whether losses of any kind have been far too high for long."""
        return any(watch.diverged for watch in self._each.values())

    @property
    def told(self) -> str:
        """What was seen of those, for a message."""
        return "; ".join(watch.told for watch in self._each.values() if watch.diverged)
