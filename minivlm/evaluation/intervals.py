"""How sure a score is: the interval that holds 95 % of the scores when its examples are drawn anew."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from minivlm.evaluation.bootstrap import AT_A_TIME, CONFIDENCE, RESAMPLES
from minivlm.evaluation.detection import mean_average_precision, summed_precisions, tally
from minivlm.evaluation.scoring import detections, scoring_of

Interval = tuple[float, float]

AREA_RESAMPLES = 1_000
"""Of mean average precision, which has to be computed anew each time."""
AREA, FOUND = "VG mAP@.5", "boxes found and named"
MEANS: Mapping[str, Mapping[str, str]] = {
    "detection": {FOUND: ""},
    "caption": {"CIDEr": ""},
    "vqa": {"accuracy": ""},
    "nlvr2": {"accuracy": ""},
    "retrieval": {"text R@1": "picture ", "image R@1": "text "},
}
"""Task -> metric that is a mean over examples -> how the names of those begin."""


def mean_scores(task: str, records: Sequence[Mapping[str, Any]]) -> dict[str, tuple[float, Interval]]:
    """Return metric -> mean over examples, and its interval.

    Examples are drawn as if they were independent, which makes intervals of texts about one picture somewhat narrow.

    Args:
        task: A key of `MEANS`.
        records: Of examples that were answered.
    """
    scores = scoring_of(task).measure().scores(records)
    found = {}
    for name, beginning in MEANS[task].items():
        values = [score for key, score in scores.items() if key.startswith(beginning)]
        if values:
            found[name] = float(np.mean(values)), mean_interval(values)
    return found


def mean_interval(values: Sequence[float], *, seed: int = 0, resamples: int = RESAMPLES) -> Interval:
    """Return the interval of a mean, by percentiles.

    Args:
        values: One of each example, at least one.
        seed: Of the resampling.
        resamples: How often the examples are drawn anew.
    """
    numbers = np.asarray(values, dtype=np.float64)
    generator, rounds = np.random.default_rng(seed), max(1, AT_A_TIME // len(numbers))
    drawn = [
        numbers[generator.integers(0, len(numbers), (min(rounds, resamples - done), len(numbers)))].mean(axis=1)
        for done in range(0, resamples, rounds)
    ]
    return _percentiles(np.concatenate(drawn))


def area_interval(
    records: Sequence[Mapping[str, Any]], *, said: str = "found", seed: int = 0, resamples: int = AREA_RESAMPLES
) -> tuple[float, Interval]:
    """Return mean average precision, and its interval; a class that no drawn picture shows counts in no mean.

    Resamples score higher than the pictures themselves: a picture that is drawn twice brings the same boxes twice, and
    fewer different ones. The interval is moved down by the mean of that (Efron and Tibshirani 1993, chapter 10).

    Args:
        records: Of detection, at least one.
        said: See `detections`: `AREA` is of what was found, `ALL_NAMES` of what was named.
        seed: Of the resampling.
        resamples: How often the pictures are drawn anew.
    """
    tallies = [tally(*pair) for pair in zip(*detections(records, said=said), strict=True)]
    generator = np.random.default_rng(seed)
    whole = mean_average_precision(summed_precisions(tallies))
    drawn = np.array(
        [
            mean_average_precision(summed_precisions(tallies[place] for place in places))
            for places in generator.integers(0, len(tallies), (resamples, len(tallies)))
        ]
    )
    return whole, _percentiles(drawn - (drawn.mean() - whole))


def _percentiles(drawn: np.ndarray[Any, np.dtype[np.float64]]) -> Interval:
    tail = (1.0 - CONFIDENCE) / 2.0
    low, high = np.quantile(drawn, [tail, 1.0 - tail]).tolist()
    return low, high
