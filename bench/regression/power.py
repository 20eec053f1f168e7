"""What a number of repeats can show, and how many are needed to show a change.

Small numbers of repeats are simulated under normal noise: the exact tests reject in steps, so that 8 pairs reject only
if all agree, which no formula of the normal distribution knows. Large ones follow the formula.
"""

import math
from bisect import bisect_left
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy import stats

from bench.regression.evidence import ALPHA, Evidence, least_repeats, rank_sum_cut, signed_rank_cut

POWER = 0.9
"""Chance of finding what counts as findable."""
EFFICIENCY = 3.0 / math.pi
"""Of rank tests beside the t-test under normal noise (Hodges and Lehmann 1956)."""
SIMULATED = 150
"""Repeats up to which power is simulated."""
TRIALS = 1000
STUDY_SCATTER = 0.075
"""Of a pair of processes: with it the formula asks for as many rounds as the study in docs/verdict.md shows enough for
5 %, some 40 for one comparison and 60 for one among 12. Half the differences measured there are less than 0.04; the few
large ones, which a normal distribution lacks, cost the rest."""


@dataclass(frozen=True)
class Question:
    """What is asked of repeats.

    Attributes:
        paired: Whether both sides were measured in turns.
        floor: Smallest change that would be reported, a logarithm.
        comparisons: Among which this is one.
    """

    paired: bool
    floor: float
    comparisons: int

    @property
    def least(self) -> int:
        """Repeats without which nothing can be shown."""
        return least_repeats(self.paired, self.comparisons)

    def error(self, change: float) -> float:
        """Return the largest standard error at which a change is found with probability `POWER`."""
        spare = stats.norm.isf(1.0 - POWER)
        quantile = stats.norm.isf(ALPHA / self.comparisons / 2.0)
        return float(min(change / (quantile + spare), (change - self.floor) / spare))


def repeats_for(change: float, evidence: Evidence, question: Question) -> int:
    """Return how many repeats of each side show a change, the logarithm of a ratio above the floor."""
    formula = math.ceil((evidence.scatter / question.error(change)) ** 2 / EFFICIENCY)
    if formula > SIMULATED or evidence.scatter == 0.0:
        return max(formula, question.least)
    counts = range(question.least, SIMULATED + 1)
    relative = round(change / evidence.scatter, 2), round(question.floor / evidence.scatter, 2)
    place = bisect_left(counts, POWER, key=lambda count: power(*relative, count, question.paired, question.comparisons))
    return question.least + place


def recommended_repeats(change: float, question: Question) -> int:
    """Return how many repeats show a change on a machine like the study's."""
    return repeats_for(change, Evidence(0.0, 0.0, 0.0, 1.0, STUDY_SCATTER, 0, question.paired), question)


def detectable(evidence: Evidence, question: Question) -> float:
    """Return the smallest change that as many repeats as these show; inf where they are too few for any."""
    if evidence.repeats < question.least:
        return math.inf
    changes = np.geomspace(max(question.floor, 1e-4) * 1.01, 2.0, 200)
    place = bisect_left(changes, True, key=lambda change: repeats_for(change, evidence, question) <= evidence.repeats)
    return float(changes[place]) if place < len(changes) else math.inf


@cache
def power(change: float, floor: float, repeats: int, paired: bool, comparisons: int) -> float:
    """Return the chance of finding a change; change and floor in units of a single comparison's scatter."""
    numbers = np.random.default_rng(0)
    alpha = ALPHA / comparisons
    if paired:
        changes = numbers.normal(change, 1.0, (TRIALS, repeats))
        ranks = np.abs(changes).argsort(axis=1).argsort(axis=1) + 1
        statistic, cut = (ranks * (changes < 0.0)).sum(axis=1), signed_rank_cut(repeats, alpha)
        estimate = changes.mean(axis=1)
    else:
        base, new = numbers.normal(0.0, math.sqrt(0.5), (2, TRIALS, repeats))
        new += change
        statistic = (new[:, :, None] < base[:, None, :]).sum(axis=(1, 2))
        cut, estimate = rank_sum_cut(repeats, repeats, alpha), new.mean(axis=1) - base.mean(axis=1)
    return float(((statistic < cut) & (estimate >= floor)).mean())
