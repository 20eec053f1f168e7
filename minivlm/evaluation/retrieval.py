"""Retrieval: how high the right one ranks among all, for texts that are searched for by pictures and the other way."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

CUTS = (1, 5, 10)
"""The ranks up to which a hit counts."""


def ranks(scores: NDArray[np.float64], right: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the rank of each query's best right candidate, from 1.

    Args:
        scores: (queries, candidates), higher is better.
        right: (queries, candidates), at least one a query.

    Returns:
        (queries,). Of equal scores, wrong candidates come first: whoever gives all the same score finds nothing.
    """
    best = np.where(right, scores, -np.inf).max(axis=1, keepdims=True, initial=-np.inf)
    found: NDArray[np.int64] = 1 + ((scores >= best) & ~right).sum(axis=1)
    return found


def recall_at(found: NDArray[np.int64], cuts: Sequence[int] = CUTS) -> dict[int, float]:
    """Return cut -> share of queries whose rank is at most that; 0 of none."""
    return {cut: float((found <= cut).mean()) if len(found) else 0.0 for cut in cuts}
