"""How sure a difference between two models is: the paired bootstrap (Efron and Tibshirani 1993, chapter 13)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

RESAMPLES = 10_000
CONFIDENCE = 0.95
AT_A_TIME = 1 << 22
"""Numbers that are drawn at a time; bounds the memory."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """The mean of second minus first over the same examples.

    Attributes:
        examples: How many.
        first: Mean score of the first.
        second: Of the second.
        low: Lower end of the interval of the difference, by percentiles.
        high: Upper end.
        low_share: Lower end of the interval of what the second keeps of the first's mean; None where that may be 0.
        high_share: Upper end.
    """

    examples: int
    first: float
    second: float
    low: float
    high: float
    low_share: float | None
    high_share: float | None

    @property
    def mean(self) -> float:
        """The difference itself."""
        return self.second - self.first

    @property
    def share(self) -> float | None:
        """What the second keeps of the first's mean; None where that is 0."""
        return self.second / self.first if self.first else None

    @property
    def verdict(self) -> str:
        """Which is better, in words."""
        if self.low > 0.0:
            return "the second is better"
        return "the first is better" if self.high < 0.0 else "no difference that is sure"


def paired_difference(
    first: Sequence[float], second: Sequence[float], *, seed: int = 0, resamples: int = RESAMPLES
) -> Difference:
    """Compare two models example by example.

    Args:
        first: Scores of the first.
        second: Scores of the second for the same examples, at least one.
        seed: Of the resampling.
        resamples: How often the examples are drawn anew.
    """
    scores = np.stack([np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)])
    generator, count = np.random.default_rng(seed), len(first)
    rounds = max(1, AT_A_TIME // count)
    drawn = [
        scores[:, generator.integers(0, count, (min(rounds, resamples - done), count))].mean(axis=2)
        for done in range(0, resamples, rounds)
    ]
    ones, twos = np.concatenate(drawn, axis=1)
    tail = (1.0 - CONFIDENCE) / 2.0
    low, high = np.quantile(twos - ones, [tail, 1.0 - tail])
    shares = np.quantile(twos / ones, [tail, 1.0 - tail]).tolist() if ones.min() > 0.0 else (None, None)
    return Difference(
        examples=count,
        first=float(np.mean(first)),
        second=float(np.mean(second)),
        low=float(low),
        high=float(high),
        low_share=shares[0],
        high_share=shares[1],
    )
