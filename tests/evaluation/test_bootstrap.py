"""The paired bootstrap against the normal approximation, and what holds for any scores."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minivlm.evaluation.bootstrap import paired_difference


def test_the_interval_is_that_of_the_normal_distribution_for_many_examples() -> None:
    generator = np.random.default_rng(1)
    first = generator.normal(0.5, 0.2, 2000)
    second = first + generator.normal(0.02, 0.1, 2000)
    found = paired_difference(first.tolist(), second.tolist())
    mean, error = (second - first).mean(), (second - first).std(ddof=1) / math.sqrt(2000)
    assert found.mean == pytest.approx(mean, abs=1e-12)
    # A 2.5 % quantile of 10,000 resamples scatters by some 2.7 % of the standard error: 0.1 is far above that.
    assert (found.low - mean) / error == pytest.approx(-1.96, abs=0.1)
    assert (found.high - mean) / error == pytest.approx(1.96, abs=0.1)
    assert found.verdict == "the second is better"


def test_the_share_is_kept_with_the_interval_of_a_ratio_of_means() -> None:
    """Against the delta method (Efron and Tibshirani 1993, section 5.3) for a ratio of means."""
    generator = np.random.default_rng(1)
    first = generator.normal(0.8, 0.2, 2000)
    second = 0.9 * first + generator.normal(0.0, 0.1, 2000)
    found = paired_difference(first.tolist(), second.tolist())
    share = second.mean() / first.mean()
    error = (second - share * first).std(ddof=1) / first.mean() / math.sqrt(2000)
    assert found.share == pytest.approx(share, abs=1e-12)
    assert (found.low_share - share) / error == pytest.approx(-1.96, abs=0.1)
    assert (found.high_share - share) / error == pytest.approx(1.96, abs=0.1)


def test_of_nothing_no_share_is_kept() -> None:
    found = paired_difference([0.0, 0.0], [0.0, 1.0])
    assert (found.share, found.low_share, found.high_share) == (None, None, None)


def test_pairs_count_and_not_the_spread_of_the_examples() -> None:
    first = np.linspace(0.0, 1.0, 50)
    found = paired_difference(first.tolist(), (first + 0.01).tolist())
    assert (found.low, found.high) == pytest.approx((0.01, 0.01))


def test_the_same_seed_gives_the_same_interval_also_in_several_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = [0.0, 1.0, 0.5, 0.25] * 5, [0.5, 0.5, 0.5, 0.5] * 5
    found = paired_difference(first, second, seed=3)
    assert paired_difference(first, second, seed=3) == found
    assert paired_difference(first, second, seed=4) != found
    monkeypatch.setattr("minivlm.evaluation.bootstrap.AT_A_TIME", 64)
    assert paired_difference(first, second, seed=3) == found


SCORES = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=20)


@settings(deadline=None)
@given(pairs=SCORES)
def test_swapping_the_two_turns_the_sign_and_equals_differ_by_nothing(pairs: list[tuple[float, float]]) -> None:
    first, second = [one for one, _ in pairs], [two for _, two in pairs]
    there = paired_difference(first, second, resamples=200)
    back = paired_difference(second, first, resamples=200)
    assert (back.low, back.high, back.mean) == pytest.approx((-there.high, -there.low, -there.mean))
    same = paired_difference(first, first, resamples=200)
    assert (same.low, same.high, same.verdict) == (0.0, 0.0, "no difference that is sure")
