"""What repeats say about a change: rank tests, intervals and the power of both.

The unit of evidence is a repeat, one fresh process, represented by the median of its runs. Runs within a process share
its memory layout, its place in time and its neighbours, so a thousand of them are still one observation.

Changes are natural logarithms of new / base: halving and doubling are equally large, and a machine that runs at half
speed shifts both sides alike.
"""

import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

ALPHA = 0.01
"""Chance of a false alarm, of a whole comparison."""
POWER = 0.9
"""Chance of finding what counts as findable."""
EFFICIENCY = 3.0 / math.pi
"""Of rank tests beside the t-test under normal noise (Hodges and Lehmann 1956); they are better under any other."""


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

    def detectable(self, floor: float, comparisons: int = 1) -> float:
        """Return the smallest change that as many repeats show with probability `POWER`; inf with too few of them.

        Args:
            floor: Smallest change that would be reported.
            comparisons: Among which this is one.
        """
        if self.repeats < least_repeats(self.paired, comparisons):
            return math.inf
        error = self.scatter / math.sqrt(self.repeats * EFFICIENCY)
        return max(_quantile(comparisons) * error, floor) + stats.norm.isf(1.0 - POWER) * error

    def repeats_for(self, change: float, floor: float, comparisons: int = 1) -> int:
        """Return how many repeats of each side show a change with probability `POWER`.

        Args:
            change: Logarithm of a ratio, above the floor.
            floor: Smallest change that would be reported.
            comparisons: Among which this is one.
        """
        spare = stats.norm.isf(1.0 - POWER)
        errors = (change / (_quantile(comparisons) + spare), (change - floor) / spare)
        needed = (self.scatter / min(errors)) ** 2 / EFFICIENCY
        return max(math.ceil(needed), least_repeats(self.paired, comparisons))


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
    low, high = _interval(candidates, lambda shift: signed_rank(changes - shift), alpha)
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
    low, high = _interval(candidates, lambda shift: rank_sum(old_logs, new_logs - shift), alpha)
    scatter = math.hypot(_scatter(old_logs), _scatter(new_logs))
    p = rank_sum(old_logs, new_logs)
    return Evidence(float(np.median(candidates)), low, high, p, scatter, min(len(base), len(new)), paired=False)


def signed_rank(changes: Sequence[float] | np.ndarray) -> float:
    """Return the two-sided p of Wilcoxon's signed-rank test; exact up to 50 changes without ties."""
    if not np.any(changes):
        return 1.0
    return float(stats.wilcoxon(changes, zero_method="zsplit", method="auto").pvalue)


def rank_sum(base: Sequence[float] | np.ndarray, new: Sequence[float] | np.ndarray) -> float:
    """Return the two-sided p of the Mann-Whitney U test; exact without ties for up to 50 repeats."""
    tied = len(np.unique(np.concatenate([base, new]))) < len(base) + len(new)
    exact = not tied and max(len(base), len(new)) <= 50
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


def _quantile(comparisons: int) -> float:
    return float(stats.norm.isf(ALPHA / comparisons / 2.0))


def _scatter(values: np.ndarray) -> float:
    """Standard deviation by the distance of the quartiles, which a few wild repeats do not move."""
    low, high = np.quantile(values, [0.25, 0.75])
    return float((high - low) / (stats.norm.ppf(0.75) - stats.norm.ppf(0.25)))


def _interval(candidates: np.ndarray, p_at: Callable[[float], float], alpha: float) -> tuple[float, float]:
    """Return the range of shifts that a test does not reject.

    Args:
        candidates: The shifts at which p changes, ascending.
        p_at: p of the hypothesis that the true shift is this one; rises up to the estimate, then falls.
        alpha: Smallest p that is not rejected.
    """
    count = len(candidates)
    between = [candidates[0] - 1.0, *((candidates[1:] + candidates[:-1]) / 2.0), candidates[-1] + 1.0]
    middle = count // 2
    below = bisect_left(range(middle + 1), True, key=lambda place: p_at(between[place]) > alpha)
    above = bisect_left(range(count - middle + 1), True, key=lambda place: p_at(between[count - place]) > alpha)
    low = float(candidates[below - 1]) if below else -math.inf
    high = float(candidates[count - above]) if above else math.inf
    return low, high
