"""What repeats can show, against simulations that go through the tests themselves."""

import math

import numpy as np
import pytest

from bench.regression.evidence import Evidence, paired_evidence, unpaired_evidence
from bench.regression.power import Question, detectable, recommended_repeats, repeats_for

FLOOR = math.log(1.03)


def evidence(scatter: float, repeats: int = 12, paired: bool = True) -> Evidence:
    return Evidence(0.0, -1.0, 1.0, 1.0, scatter, repeats, paired)


@pytest.mark.parametrize("weigh", [paired_evidence, unpaired_evidence])
@pytest.mark.parametrize("scatter", [0.02, 0.04])
def test_promised_repeats_find_the_change_nine_times_of_ten(weigh, scatter):
    # 200 trials have a standard error of 2.1 %: 84 % is three of them below 90 %. Scatter is of one repeat here.
    paired = weigh is paired_evidence
    promised = repeats_for(
        math.log(1.05), evidence(scatter * math.sqrt(2.0), paired=paired), Question(paired, FLOOR, 1)
    )
    numbers = np.random.default_rng(1)
    found = 0
    for _ in range(200):
        base, new = np.exp(numbers.normal(0.0, scatter, (2, promised)))
        weighed = weigh(base, 1.05 * new)
        found += weighed.p <= 0.01 and weighed.change >= FLOOR
    assert found / 200 >= 0.84


def test_eight_pairs_reject_only_if_all_agree():
    # 5 % in a scatter of 2.83 %: all 8 agree with probability 0.957^8 = 0.70, so 8 are too few for 0.9.
    assert repeats_for(math.log(1.05), evidence(0.0283), Question(True, FLOOR, 1)) > 8


def test_detectable_is_what_the_repeats_are_enough_for():
    question = Question(True, FLOOR, 4)
    smallest = detectable(evidence(0.05, 20), question)
    assert repeats_for(smallest, evidence(0.05, 20), question) <= 20
    assert repeats_for(smallest * 0.9, evidence(0.05, 20), question) > 20


def test_more_repeats_show_less_and_more_comparisons_or_noise_need_more():
    question = Question(True, FLOOR, 1)
    assert detectable(evidence(0.05, 50), question) < detectable(evidence(0.05, 15), question)
    needed = repeats_for(math.log(1.05), evidence(0.05), question)
    assert repeats_for(math.log(1.05), evidence(0.05), Question(True, FLOOR, 50)) > needed
    # By the formula, noise twice as large needs four times the repeats; the steps of the exact test ask for more where
    # there are few: between three and four times.
    assert repeats_for(math.log(1.05), evidence(0.10), question) in range(3 * needed, 4 * needed + 1)


def test_too_few_repeats_show_nothing():
    assert detectable(evidence(0.0, 7), Question(True, FLOOR, 1)) == math.inf
    assert repeats_for(math.log(1.05), evidence(0.0), Question(True, FLOOR, 1)) == 8


@pytest.mark.parametrize(("comparisons", "enough"), [(1, 40), (12, 60)])
def test_as_many_rounds_are_recommended_as_the_study_found_to_be_enough(comparisons, enough):
    """From the tables of docs/verdict.md: the first rows in which 90 % of exact 5 % are found; their steps are 10."""
    recommended = recommended_repeats(math.log(1.05), Question(True, FLOOR, comparisons))
    assert recommended == pytest.approx(enough, abs=5)
