"""How sure a share is, and a difference between two models: the bootstrap (Efron and Tibshirani 1993, chapter 13)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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
    ones, twos = np.concatenate(list(_redrawn(scores, seed, resamples)), axis=1)
    tail = (1.0 - CONFIDENCE) / 2.0
    low, high = np.quantile(twos - ones, [tail, 1.0 - tail])
    shares = np.quantile(twos / ones, [tail, 1.0 - tail]).tolist() if ones.min() > 0.0 else (None, None)
    return Difference(
        examples=len(first),
        first=float(np.mean(first)),
        second=float(np.mean(second)),
        low=float(low),
        high=float(high),
        low_share=shares[0],
        high_share=shares[1],
    )


def share_interval(
    right: Sequence[int], counted: Sequence[int], *, seed: int = 0, resamples: int = RESAMPLES
) -> tuple[float, float]:
    """Return the interval, by percentiles, of the share of all that counts that is right.

    Whole pictures are drawn anew: what is in one picture goes together.

    Args:
        right: Of each picture, how many are right.
        counted: Of each picture, how many count: at least one, and one picture at least.
        seed: Of the resampling.
        resamples: How often the pictures are drawn anew.
    """
    numbers = np.array([right, counted], dtype=np.float64)
    drawn = np.concatenate(list(_redrawn(numbers, seed, resamples)), axis=1)
    tail = (1.0 - CONFIDENCE) / 2.0
    low, high = np.quantile(drawn[0] / drawn[1], [tail, 1.0 - tail]).tolist()
    return low, high


def _redrawn(numbers: NDArray[np.float64], seed: int, resamples: int) -> Iterator[NDArray[np.float64]]:
    """Yield, some resamples (K, R) at a time, the means of (K, N) numbers over N examples drawn anew."""
    generator, count = np.random.default_rng(seed), numbers.shape[1]
    rounds = max(1, AT_A_TIME // count)
    for done in range(0, resamples, rounds):
        yield numbers[:, generator.integers(0, count, (min(rounds, resamples - done), count))].mean(axis=2)
