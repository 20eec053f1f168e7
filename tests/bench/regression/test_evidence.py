"""Rank tests over repeats, against published tables, arithmetic and simulation."""

import math
from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from bench.regression.evidence import holm, least_repeats, paired_evidence, rank_sum, signed_rank, unpaired_evidence

times = st.lists(st.floats(1.0, 100.0), min_size=2, max_size=12)


def noisy(count: int, seed: int, scatter: float = 0.02, scale: float = 1.0) -> np.ndarray:
    return scale * np.exp(np.random.default_rng(seed).normal(0.0, scatter, count))


class TestSignedRank:
    def test_agrees_with_the_published_table(self):
        # Wilcoxon's table, two-sided 5 %, n = 10: a sum of 8 is significant (p = 0.0488), one of 9 is not (0.0645).
        ranks = np.arange(1.0, 11.0)
        assert signed_rank(np.where(np.isin(ranks, [8.0]), -ranks, ranks)) == pytest.approx(0.048828125)
        assert signed_rank(np.where(np.isin(ranks, [9.0]), -ranks, ranks)) == pytest.approx(0.064453125)

    def test_all_rounds_on_one_side_have_the_probability_of_equal_coins(self):
        assert signed_rank(np.arange(1.0, 11.0)) == pytest.approx(2.0 / 2**10)

    @settings(deadline=None)
    @given(st.lists(st.integers(-3, 3), min_size=1, max_size=8))
    def test_with_ties_it_is_what_all_signs_say(self, changes):
        # Pratt: zeros take part in the ranking, mid-ranks for equals, and every sign of the others is as likely.
        ranks = stats.rankdata(np.abs(changes))[np.array(changes) != 0]
        signs = np.sign([change for change in changes if change])
        reached = abs(float(ranks @ signs))
        sums = [abs(float(ranks @ np.array(each))) for each in product((-1, 1), repeat=len(signs))]
        expected = sum(each >= reached - 1e-9 for each in sums) / len(sums)
        assert signed_rank(changes) == pytest.approx(expected)

    @pytest.mark.parametrize("rounds", range(5, 15))
    def test_equal_ratios_never_promise_more_than_the_rounds_can(self, rounds):
        assert signed_rank([0.5] * rounds) == pytest.approx(2.0 / 2**rounds)
        assert signed_rank([0.0, *[0.5] * (rounds - 1)]) >= 2.0 / 2**rounds

    @pytest.mark.parametrize("count", [5, 30, 80])
    def test_without_ties_it_is_scipy_s_exact_one(self, count):
        changes = np.random.default_rng(count).normal(0.2, 1.0, count)
        assert signed_rank(changes) == pytest.approx(stats.wilcoxon(changes, method="exact").pvalue, rel=1e-9)

    def test_no_change_at_all_is_no_evidence(self):
        assert signed_rank([0.0, 0.0, 0.0]) == 1.0


class TestRankSum:
    def test_agrees_with_the_published_table(self):
        # Mann and Whitney 1947: 5 against 5, U = 2 has a two-sided p of 8 / 252.
        assert rank_sum([1.0, 2.0, 3.0, 4.0, 7.0], [5.0, 6.0, 8.0, 9.0, 10.0]) == pytest.approx(8 / 252)

    @settings(deadline=None)
    @given(st.lists(st.integers(0, 3), min_size=2, max_size=8), st.integers(1, 7))
    def test_with_ties_it_is_what_all_ways_to_deal_say(self, values, size):
        size = min(size, len(values) - 1)
        ranks = stats.rankdata(values)
        sums = [float(ranks[list(places)].sum()) for places in combinations(range(len(values)), size)]
        reached = float(ranks[:size].sum())
        tails = (sum(each <= reached for each in sums), sum(each >= reached for each in sums))
        assert rank_sum(values[:size], values[size:]) == pytest.approx(min(1.0, 2.0 * min(tails) / len(sums)))

    def test_without_ties_it_is_scipy_s_exact_one(self):
        base, new = np.random.default_rng(0).normal(0.0, 1.0, (2, 40))
        expected = stats.mannwhitneyu(base, new[:7], method="exact").pvalue
        assert rank_sum(base, new[:7]) == pytest.approx(expected, rel=1e-9)


class TestEvidence:
    @pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
    def test_what_is_no_positive_number_is_refused(self, value):
        for weigh in (paired_evidence, unpaired_evidence):
            with pytest.raises(ValueError, match="positive"):
                weigh([1.0, value], [1.0, 2.0])

    def test_a_slowdown_of_every_round_is_seen_through_a_machine_that_halves_its_speed(self):
        machine = np.array([1.0, 2.0] * 6)
        found = paired_evidence(noisy(12, 1, 0.001) * machine, 1.05 * noisy(12, 2, 0.001) * machine)
        # Exact to the noise of 0.1 %, while the machine moves by 100 %.
        assert found.change == pytest.approx(math.log(1.05), abs=0.002)
        assert found.low > 0.04
        assert found.p == pytest.approx(2.0 / 2**12)

    @settings(deadline=None)
    @given(base=times, factor=st.floats(0.1, 10.0))
    def test_a_common_factor_is_the_change_and_its_interval(self, base, factor):
        found = paired_evidence(base, [value * factor for value in base])
        assert found.change == pytest.approx(math.log(factor), abs=1e-9)
        assert found.low <= found.change + 1e-9
        assert found.high >= found.change - 1e-9

    @settings(deadline=None)
    @given(base=times, new=times)
    def test_exchanging_the_sides_changes_signs_only(self, base, new):
        forward, backward = unpaired_evidence(base, new), unpaired_evidence(new, base)
        assert forward.change == pytest.approx(-backward.change, abs=1e-9)
        assert forward.p == pytest.approx(backward.p)
        assert forward.low == pytest.approx(-backward.high, abs=1e-9)

    def test_intervals_end_where_published_tables_say(self):
        # Wilcoxon's critical value for n = 10 at two-sided 5 % is 8: the 9th Walsh average from either end. Mann and
        # Whitney's for 8 against 8 is 13: the 14th difference. For 5 against 5 at 1 % it is 0: the 1st.
        values = np.exp(np.random.default_rng(0).normal(size=16))
        found = paired_evidence(np.ones(10), values[:10], 0.05)
        walsh = sorted(np.log(values[i] * values[j]) / 2.0 for i in range(10) for j in range(i + 1))
        assert (found.low, found.high) == pytest.approx((walsh[8], walsh[-9]))
        for count, alpha, place in ((8, 0.05, 13), (5, 0.01, 0)):
            old, new = values[:count], values[8 : 8 + count]
            found = unpaired_evidence(old, new, alpha)
            differences = sorted(np.log(late / early) for late in new for early in old)
            assert (found.low, found.high) == pytest.approx((differences[place], differences[-1 - place]))

    def test_large_samples_are_approximated_without_a_step(self):
        # At 51 repeats the normal approximation takes over; both ends move by less than a tenth of the width.
        base, new = noisy(51, 1), noisy(51, 2)
        exact, close = unpaired_evidence(base[:50], new[:50]), unpaired_evidence(base, new)
        assert close.low == pytest.approx(exact.low, abs=(exact.high - exact.low) / 10)

    @pytest.mark.parametrize("weigh", [paired_evidence, unpaired_evidence])
    def test_intervals_hold_the_truth_as_often_as_they_promise(self, weigh):
        # 80 % intervals, 300 times: between 74 and 90 %, more than two standard errors (2.3 %) around 80 to 83 %, which
        # is what the steps of the exact tests allow at 10 repeats.
        hits = 0
        for seed in range(300):
            found = weigh(noisy(10, 2 * seed), noisy(10, 2 * seed + 1, scale=1.05), 0.2)
            hits += found.low <= math.log(1.05) <= found.high
        assert 0.74 <= hits / 300 <= 0.90

    def test_too_few_repeats_have_no_interval(self):
        found = paired_evidence([1.0, 2.0, 3.0], [2.0, 3.0, 5.0])
        assert (found.low, found.high) == (-math.inf, math.inf)

    def test_the_scatter_is_that_of_one_pair(self):
        # Log ratios of two independent repeats scatter by sqrt(2) times one's; 2000 pairs give it to about 3 %.
        found = paired_evidence(noisy(200, 1), noisy(200, 2))
        assert found.scatter == pytest.approx(0.02 * math.sqrt(2.0), rel=0.25)


class TestLeastRepeats:
    def test_follow_from_counting(self):
        # 2 / 2^8 and 2 / (10 over 5) are the first below 0.01; ten comparisons need 2 / 2^11 and 2 / (14 over 7).
        assert (least_repeats(paired=True), least_repeats(paired=False)) == (8, 5)
        assert (least_repeats(True, comparisons=10), least_repeats(False, comparisons=10)) == (11, 7)


class TestHolm:
    def test_what_is_not_a_number_silences_no_other(self):
        assert holm([math.nan, 0.001, 0.002]) == pytest.approx([1.0, 0.003, 0.004])

    def test_reproduces_a_worked_example(self):
        # By hand: 0.01 * 4, 0.02 * 3, 0.03 * 2 raised to the one before, 0.9.
        assert holm([0.9, 0.01, 0.03, 0.02]) == pytest.approx([0.9, 0.04, 0.06, 0.06])

    @settings(deadline=None)
    @given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=20))
    def test_never_lowers_a_p_and_keeps_the_order(self, values):
        corrected = holm(values)
        assert all(value <= after <= 1.0 for value, after in zip(values, corrected, strict=True))
        assert [corrected[place] for place in np.argsort(values)] == sorted(corrected)
        assert min(corrected) == pytest.approx(min(1.0, min(values) * len(values)))
