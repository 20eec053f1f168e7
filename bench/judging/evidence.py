"""What repeats say about a change: rank tests and intervals.

The unit of evidence is a repeat, one fresh process, represented by the median of its runs. Runs within a process share
its memory layout, its place in time and its neighbours, so a thousand of them are still one observation.

Changes are natural logarithms of new / base: halving and doubling are equally large, and a machine that runs at half
speed shifts both sides alike.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate, takewhile
from typing import Literal

import numpy as np
from scipy import stats

ALPHA = 0.01
"""Chance of a false alarm, of a whole comparison."""
EXACT = 50
"""Repeats up to which p-values are counted out and not approximated."""


@dataclass(frozen=True)
class Evidence:
    """What repeats of two sides say about one quantity.

    Attributes:
        change: Hodges-Lehmann estimate of log(new / base).
        low: Lower end of the interval for it; -inf where there are too few repeats for one.
        high: Upper end.
        p: Chance of ranks at least as uneven as these if nothing had changed, two-sided.
        scatter: Standard deviation of the change that a single repeat (or pair of them) would show.
        repeats: Of each side; of the smaller one where they differ.
        paired: Whether repeats were compared round by round.
    """

    change: float
    low: float
    high: float
    p: float
    scatter: float
    repeats: int
    paired: bool


def paired_evidence(base: Sequence[float], new: Sequence[float], alpha: float = ALPHA) -> Evidence:
    """Compare repeats round by round, by Wilcoxon's signed-rank test on their log ratios.

    What a round has in common, such as a machine that is slow for a minute, cancels. The test is exact whatever the
    machine does, provided that chance decides in each round which side is first.

    Args:
        base: One positive number a round.
        new: The same rounds.
        alpha: 1 minus the confidence of the interval.
    """
    changes = np.log(np.asarray(new, dtype=np.float64) / np.asarray(base, dtype=np.float64))
    upper = np.triu_indices(len(changes))
    candidates = np.sort((changes[upper[0]] + changes[upper[1]]) / 2.0)  # Walsh averages
    low, high = _interval(candidates, signed_rank_cut(len(changes), alpha))
    return Evidence(
        float(np.median(candidates)), low, high, signed_rank(changes), _scatter(changes), len(changes), paired=True
    )


def unpaired_evidence(base: Sequence[float], new: Sequence[float], alpha: float = ALPHA) -> Evidence:
    """Compare repeats of two separate runs, by the Mann-Whitney U test on their logarithms.

    Args:
        base: One positive number a repeat.
        new: Likewise, not necessarily as many.
        alpha: 1 minus the confidence of the interval.
    """
    old_logs, new_logs = np.log(np.asarray(base, dtype=np.float64)), np.log(np.asarray(new, dtype=np.float64))
    candidates = np.sort(np.subtract.outer(new_logs, old_logs), axis=None)
    low, high = _interval(candidates, rank_sum_cut(len(base), len(new), alpha))
    scatter = math.hypot(_scatter(old_logs), _scatter(new_logs))
    p = rank_sum(old_logs, new_logs)
    return Evidence(float(np.median(candidates)), low, high, p, scatter, min(len(base), len(new)), paired=False)


def signed_rank(changes: Sequence[float] | np.ndarray) -> float:
    """Return the two-sided p of Wilcoxon's signed-rank test; exact without ties for up to `EXACT` changes."""
    if not np.any(changes):
        return 1.0
    sizes = np.abs(changes)
    exact = len(sizes) <= EXACT and bool(np.all(sizes)) and len(np.unique(sizes)) == len(sizes)
    method: Literal["exact", "approx"] = "exact" if exact else "approx"  # by permutation, ties would take seconds
    return float(stats.wilcoxon(changes, zero_method="zsplit", method=method).pvalue)


def rank_sum(base: Sequence[float] | np.ndarray, new: Sequence[float] | np.ndarray) -> float:
    """Return the two-sided p of the Mann-Whitney U test; exact without ties for up to `EXACT` repeats."""
    tied = len(np.unique(np.concatenate([base, new]))) < len(base) + len(new)
    exact = not tied and max(len(base), len(new)) <= EXACT
    return float(stats.mannwhitneyu(base, new, method="exact" if exact else "asymptotic").pvalue)


def holm(values: Sequence[float]) -> list[float]:
    """Return p-values corrected for their number (Holm 1979): the chance of any false alarm among them stays alpha."""
    order = sorted(range(len(values)), key=lambda place: values[place])
    corrected, reached = [0.0] * len(values), 0.0
    for rank, place in enumerate(order):
        reached = max(reached, min(1.0, values[place] * (len(values) - rank)))
        corrected[place] = reached
    return corrected


def least_repeats(paired: bool, comparisons: int = 1, alpha: float = ALPHA) -> int:
    """Return how many repeats of each side a test needs to be able to reject at all, once corrected.

    The most uneven ranks of n pairs have p = 2 / 2^n, those of n against n repeats 2 / (2n over n).
    """
    repeats = 2
    while 2.0 / (2**repeats if paired else math.comb(2 * repeats, repeats)) > alpha / comparisons:
        repeats += 1
    return repeats


def _scatter(values: np.ndarray) -> float:
    """Standard deviation by the distance of the quartiles, which a few wild repeats do not move."""
    low, high = np.quantile(values, [0.25, 0.75])
    return float((high - low) / (stats.norm.ppf(0.75) - stats.norm.ppf(0.25)))


def _interval(candidates: np.ndarray, cut: int) -> tuple[float, float]:
    """Return the range of changes that a test does not reject: it ends where so many candidates lie outside of it."""
    if cut == 0:
        return -math.inf, math.inf
    return float(candidates[cut - 1]), float(candidates[-cut])


@cache
def signed_rank_cut(repeats: int, alpha: float) -> int:
    """Return how many values of Wilcoxon's statistic, from 0 up, are rejected: as many Walsh averages are cut off."""
    ways = [1]  # by sum of ranks; a rank more either joins the sum or does not
    for rank in range(1, repeats + 1):
        ways = [one + other for one, other in zip(ways + [0] * rank, [0] * rank + ways, strict=True)]
    return _rejected(ways, alpha)


@cache
def rank_sum_cut(base: int, new: int, alpha: float) -> int:
    """Return how many values of Mann and Whitney's statistic, from 0 up, are rejected."""
    if max(base, new) > EXACT:
        spread = math.sqrt(base * new * (base + new + 1) / 12.0)
        return max(0, math.floor(base * new / 2.0 - stats.norm.isf(alpha / 2.0) * spread))
    ways = [1]  # Gaussian binomial coefficient: multiply by 1 - q^(base + i), divide by 1 - q^i
    for size in range(1, new + 1):
        ways = [one - other for one, other in zip(ways + [0] * (base + size), [0] * (base + size) + ways, strict=True)]
        for place in range(size, len(ways)):
            ways[place] += ways[place - size]
        ways = ways[: base * size + 1]
    return _rejected(ways, alpha)


def _rejected(ways: Sequence[int], alpha: float) -> int:
    total, reached = sum(ways), accumulate(ways)
    return sum(1 for _ in takewhile(lambda below: 2 * below <= alpha * total, reached))
