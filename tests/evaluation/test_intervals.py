"""Intervals against the normal approximation, and of mean average precision against pictures that were drawn anew."""

import math

import numpy as np
import pytest

from minivlm.evaluation.detection import Found, Truth, average_precisions, mean_average_precision
from minivlm.evaluation.intervals import AREA, MEANS, area_interval, mean_interval, mean_scores
from minivlm.evaluation.scoring import SCORINGS

BOX = [0.0, 0.0, 10.0, 10.0]


def picture(number: int, chance: np.random.Generator, right: float, classes: int = 5) -> dict[str, object]:
    """A picture of one box, which is found with a chance of `right`; a wrong name is said with a random score."""
    name = f"class {number % classes}"
    said = name if chance.random() < right else f"class {(number + 1) % classes}"
    return {
        "id": str(number),
        "truth": [{"name": name, "box": BOX, "crowd": False, "known": True}],
        "found": [{"name": said, "box": BOX, "score": chance.random()}],
    }


def test_a_mean_s_interval_is_that_of_the_normal_distribution_for_many_examples() -> None:
    values = np.random.default_rng(1).normal(0.5, 0.2, 2000)
    low, high = mean_interval(values.tolist())
    error = values.std(ddof=1) / math.sqrt(2000)
    # A 2.5 % quantile of 10,000 resamples scatters by some 2.7 % of the standard error: 0.1 is far above that.
    assert (low - values.mean()) / error == pytest.approx(-1.96, abs=0.1)
    assert (high - values.mean()) / error == pytest.approx(1.96, abs=0.1)


def test_of_equal_examples_the_interval_is_a_point() -> None:
    assert mean_interval([0.25] * 7) == (0.25, 0.25)


def test_every_task_has_a_mean() -> None:
    assert MEANS.keys() == SCORINGS.keys()
    records = [{"id": str(n), "label": True, "true": n < 30, "group": "g"} for n in range(40)]
    value, (low, high) = mean_scores("nlvr2", records)["accuracy"]
    assert value == 0.75
    assert low < 0.75 < high


def test_texts_and_pictures_of_retrieval_have_intervals_of_their_own() -> None:
    # Two pictures with a text each. Picture 1 ranks its text first, picture 2 does not; both texts find picture 1.
    records = [{"id": "1", "own": [0, 1], "scores": [0.9, 0.8]}, {"id": "2", "own": [1, 2], "scores": [0.3, 0.2]}]
    found = mean_scores("retrieval", records)
    assert {name: value for name, (value, _) in found.items()} == {"text R@1": 0.5, "image R@1": 0.5}


def test_the_interval_of_mean_average_precision_is_about_as_wide_as_fresh_pictures_scatter() -> None:
    """160 sets of 200 fresh pictures: their scatter is known to 6 % (1 / sqrt(2 * 160)), and 40 % is far above that."""
    chance = np.random.default_rng(3)
    fresh = []
    for _ in range(160):
        truths, said = zip(*(pair(picture(n, chance, 0.7)) for n in range(200)), strict=True)
        fresh.append(mean_average_precision(average_precisions(truths, said)))
    value, (low, high) = area_interval([picture(n, chance, 0.7) for n in range(200)], resamples=300)
    assert low < value < high
    assert (high - low) / (2 * 1.96 * np.std(fresh)) == pytest.approx(1.0, abs=0.4)
    assert AREA == "VG mAP@.5"


def pair(record: dict[str, object]) -> tuple[Truth, Found]:
    """Return a record's one box and one detection."""
    (true,), (said,) = record["truth"], record["found"]  # type: ignore[misc]
    corners, number = np.array([BOX]), {f"class {n}": n for n in range(5)}
    return (
        Truth(corners=corners, labels=np.array([number[true["name"]]]), crowd=np.array([False])),
        Found(corners=corners, labels=np.array([number[said["name"]]]), scores=np.array([said["score"]])),
    )


def test_the_interval_lies_around_the_score_and_not_beside_it() -> None:
    """Resamples score higher, as they hold fewer different pictures: uncorrected, the score lies at .31 to .37."""
    chance = np.random.default_rng(5)
    value, (low, high) = area_interval([picture(n, chance, 0.6, classes=100) for n in range(100)], resamples=300)
    assert (value - low) / (high - low) == pytest.approx(0.5, abs=0.1)
