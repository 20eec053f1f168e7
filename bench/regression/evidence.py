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

import numpy as np
from scipy import stats

ALPHA = 0.01
"""Chance of a false alarm, of a whole comparison."""
EXACT = 500
"""Rounds up to which p-values are counted out and not approximated."""
WAYS = 4 * 10**8
"""Likewise, steps to count the ways to deal separate repeats: some 80 against 80."""
EXACT_INTERVAL = 50
"""Separate repeats up to which ends of intervals are counted out."""
DECIMALS = 12
"""Of logarithms; what differs less is equal, and differs by rounding only."""


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
    changes = _logarithms(new) - _logarithms(base)
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
    old_logs, new_logs = _logarithms(base), _logarithms(new)
    candidates = np.sort(np.subtract.outer(new_logs, old_logs), axis=None)
    low, high = _interval(candidates, rank_sum_cut(len(base), len(new), alpha))
    scatter = math.hypot(_scatter(old_logs), _scatter(new_logs))
    p = rank_sum(old_logs, new_logs)
    return Evidence(float(np.median(candidates)), low, high, p, scatter, min(len(base), len(new)), paired=False)


def signed_rank(changes: Sequence[float] | np.ndarray) -> float:
    """Return the two-sided p of Wilcoxon's signed-rank test, counted out over all signs that the changes could have.

    Equal changes share the mean of their ranks, and changes of zero keep theirs and have no sign (Pratt 1959), so that
    n rounds never have a p below 2 / 2^n. Beyond `EXACT` rounds it is approximated.
    """
    changes = np.round(np.asarray(changes, dtype=np.float64), DECIMALS)
    moved = changes != 0.0
    if not np.any(moved):
        return 1.0
    if np.count_nonzero(moved) > EXACT:
        return float(stats.wilcoxon(changes, zero_method="pratt", method="approx").pvalue)
    ranks = _doubled_ranks(np.abs(changes))
    return _two_sided(_sums_of_subsets(ranks[moved]), int(ranks[changes > 0.0].sum()))


def rank_sum(base: Sequence[float] | np.ndarray, new: Sequence[float] | np.ndarray) -> float:
    """Return the two-sided p of the Mann-Whitney U test, counted out over all ways to deal the repeats to both sides.

    Equal repeats share the mean of their ranks. Of more repeats than can be counted out it is approximated.
    """
    few, many = sorted((np.round(base, DECIMALS), np.round(new, DECIMALS)), key=len)
    total = len(few) + len(many)
    if len(few) * total**3 > WAYS:
        return float(stats.mannwhitneyu(few, many, method="asymptotic").pvalue)
    ranks = _doubled_ranks(np.concatenate([few, many]))
    return _two_sided(_sums_of_choices(ranks, len(few)), int(ranks[: len(few)].sum()))


def _doubled_ranks(values: np.ndarray) -> np.ndarray:
    """Return whole numbers: twice the ranks from 1 up, of equal values twice their mean."""
    return np.rint(2.0 * stats.rankdata(values)).astype(np.int64)


def _sums_of_subsets(ranks: np.ndarray) -> np.ndarray:
    """Return by sum the share of all subsets of ranks that have it."""
    shares = np.zeros(int(ranks.sum()) + 1)
    shares[0] = 1.0
    for rank in ranks:
        shares *= 0.5  # a rank either joins the sum or does not
        shares[rank:] += shares[:-rank].copy()
    return shares


def _sums_of_choices(ranks: np.ndarray, count: int) -> np.ndarray:
    """Return by sum the share of all choices of so many ranks that have it."""
    ways = np.zeros((count + 1, int(np.sort(ranks)[-count:].sum()) + 1))
    ways[0, 0] = 1.0
    for rank in ranks:
        ways[1:, rank:] += ways[:-1, :-rank].copy()
    return ways[count] / ways[count].sum()


def _two_sided(shares: np.ndarray, reached: int) -> float:
    """Return twice the smaller tail that what was reached belongs to."""
    return min(1.0, 2.0 * float(min(shares[: reached + 1].sum(), shares[reached:].sum())))


def holm(values: Sequence[float]) -> list[float]:
    """Return p-values corrected for their number (Holm 1979): the chance of any false alarm among them stays alpha.

    One that is not a number says nothing, and is taken for 1.
    """
    values = [1.0 if math.isnan(value) else value for value in values]
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


def _logarithms(values: Sequence[float]) -> np.ndarray:
    """Return natural logarithms.

    Raises:
        ValueError: A value is not a positive number.
    """
    numbers = np.asarray(values, dtype=np.float64)
    if not np.all((numbers > 0.0) & np.isfinite(numbers)):
        raise ValueError("only positive numbers can be compared by their ratio")
    return np.log(numbers)


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
    if max(base, new) > EXACT_INTERVAL:
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
