"""Ranges by least square error: what the literature derives, what arithmetic gives, and what rounding then costs."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from export.core.ranges import ENOUGH, FRACTIONS, SWISH_END, Range, Spread

MANY = 2**18


def spread_of(*samples: Tensor) -> Spread:
    spread = Spread()
    for sample in samples:
        spread.add(sample)
    return spread


def quantiles() -> Tensor:
    """Evenly spaced probabilities: what is drawn by them scatters by nothing."""
    return (torch.arange(MANY, dtype=torch.float64) + 0.5) / MANY


def gaussian() -> Tensor:
    return torch.special.ndtri(quantiles())


def laplacian() -> Tensor:
    share = quantiles() - 0.5
    return -share.sign() * torch.log1p(-2.0 * share.abs())


def cost(values: Tensor, found: Range, steps: int) -> float:
    """Return the square error of rounding numbers to whole steps, one of which is 0, as all formats have it."""
    step = (found.high - found.low) / steps
    zero = round(-found.low / step)
    wide = values.double()
    given = ((wide / step).round().clamp(-zero, steps - zero)) * step
    return float((given - wide).square().sum())


class TestLeastSquareError:
    @pytest.mark.parametrize(
        ("values", "bits", "expected"),
        [
            (gaussian(), 2, 1.71),
            (gaussian(), 3, 2.15),
            (gaussian(), 4, 2.55),
            (laplacian(), 2, 2.83),
            (laplacian(), 3, 3.89),
            (laplacian(), 4, 5.03),
        ],
    )
    def test_cuts_known_distributions_where_banner_et_al_2019_derive_it(self, values, bits, expected):
        """In standard deviations, and in scales of a Laplacian; their steps are a 2^bits-th of the range.

        The tolerance is the distance of two ends that are tried, and half a hundredth for how the figures are printed.
        """
        spread = spread_of(values)
        tolerance = float(values.max()) / FRACTIONS + 0.005
        for found in (spread.best(2**bits), spread.best_symmetric(2**bits)):
            assert found.high == pytest.approx(expected, abs=tolerance)
            assert found.low == pytest.approx(-expected, abs=tolerance)

    @pytest.mark.parametrize("others", [10_000, 100_000, 1_000_000])
    def test_cuts_one_outlier_by_how_many_others_pay_for_it(self, others):
        """N numbers between -1 and 1 and one at 100: (100 - e)² + N (e + 1)² / (12 · 255²) is least at its root.

        Off by one end of those tried, at most. The side of -1 has an optimum of its own, close by.
        """
        values = torch.cat([torch.linspace(-1.0, 1.0, others), torch.tensor([100.0])])
        found = spread_of(values).best(255)
        ratio = 12 * 255**2 / others
        assert found.high == pytest.approx((100.0 * ratio - 1.0) / (1.0 + ratio), abs=100.0 / FRACTIONS)
        assert -1.0 <= found.low < -0.8

    def test_leaves_out_nothing_where_numbers_are_spread_evenly(self):
        """Of 255 steps a 64th is four: to cut them off costs each of their numbers more than all others gain."""
        values = torch.linspace(-3.0, 2.0, MANY)
        assert spread_of(values).best(255) == Range(-3.0, 2.0)
        assert spread_of(values).best_symmetric(254) == Range(-3.0, 3.0)

    @given(st.integers(0, 999), st.floats(1.0, 30.0), st.floats(-3.0, 3.0), st.sampled_from([127, 254, 255]))
    def test_costs_less_than_the_whole_range_for_tails_of_any_weight(self, seed, degrees, shift, steps):
        """Student's t, from almost Gaussian to Cauchy's: of that almost all numbers become 0 beside the largest.

        Numbers count as anywhere in their bins and between two steps. With that the sum may be off by 5 %.
        """
        torch.manual_seed(seed)
        values = torch.distributions.StudentT(degrees).sample((4 * ENOUGH,)) + shift
        spread = spread_of(values)
        whole, end = spread.whole(), max(-spread.whole().low, spread.whole().high)
        assert cost(values, spread.best(steps), steps) <= 1.05 * cost(values, whole, steps)
        even = steps // 2 * 2
        assert cost(values, spread.best_symmetric(even), even) <= 1.05 * cost(values, Range(-end, end), even)

    @given(st.lists(st.tuples(st.floats(-1e3, 1e3, width=32), st.integers(1, ENOUGH)), min_size=1, max_size=9))
    def test_costs_three_times_what_rounding_may_cost_at_most_whatever_numbers_come(self, parts):
        """That is half a step of the whole range each.

        Where all lie between two steps they cost three times as much as anywhere, and so where all lie at a bin's end.
        """
        values = torch.cat([torch.full((count,), number) for number, count in parts])
        spread = spread_of(values)
        whole, best, even = spread.whole(), spread.best(255), spread.best_symmetric(254)
        assert whole.low <= best.low <= 0.0 <= best.high <= whole.high
        assert -even.low == even.high <= max(-whole.low, whole.high)
        if even.high > 1e-30:  # below, a step is no float32
            half = max(-whole.low, whole.high) / 254
            assert cost(values, even, 254) <= 3.0 * len(values) * half**2


class TestSamples:
    def test_come_one_after_another_or_at_once(self):
        """Ever larger ones double the bins, twelve times here, which moves an end to the next one tried at most."""
        parts = [gaussian() * 2.0**power for power in range(-12, 1)]
        once, apart = spread_of(torch.cat(parts)), spread_of(*parts)
        assert apart.whole() == once.whole()
        assert apart.best(255).high == pytest.approx(once.best(255).high, abs=once.whole().high / FRACTIONS)
        assert apart.best(255).low == pytest.approx(once.best(255).low, abs=once.whole().high / FRACTIONS)

    def test_of_one_size_count_as_often_as_they_come(self):
        values = gaussian().reshape(8, -1, 16, 16)
        assert spread_of(*values).best(255) == spread_of(values).best(255)

    def test_come_in_any_order(self):
        """Bins become as wide as it takes, whenever that shows: all were put into one narrower than they are before."""
        small, large = gaussian(), 100.0 * gaussian()
        one, other = spread_of(small, large).best(15), spread_of(large, small).best(15)
        assert one.high == pytest.approx(other.high, abs=float(large.max()) / FRACTIONS)

    @pytest.mark.parametrize("nothing", [0.0, -torch.inf, torch.inf, torch.nan])
    def test_that_round_to_themselves_or_are_no_numbers_change_nothing(self, nothing):
        """A ReLU's zeros, and what a pooling pads with."""
        values = gaussian()
        padded = torch.cat([values, torch.full((10 * MANY,), nothing)])
        assert spread_of(padded, torch.full((3, 3), nothing)).best(15) == spread_of(values).best(15)
        assert spread_of(padded).whole() == spread_of(values).whole()

    def test_that_are_few_are_not_cut(self):
        """The largest of them is a hundred times the rest, and one more number than this is enough to cut it."""
        values = torch.cat([torch.linspace(-1.0, 1.0, ENOUGH - 2), torch.tensor([100.0])])
        spread = spread_of(values, torch.zeros(ENOUGH))
        assert spread.best(1) == Range(-1.0, 100.0)
        assert spread.best_symmetric(1) == Range(-100.0, 100.0)
        spread.add(torch.tensor([0.5]))
        assert spread.best(1).high < 100.0
        assert spread.best_symmetric(1).high < 100.0

    def test_that_are_none_have_no_range(self):
        assert Spread().best(255) == Spread().best_symmetric(254) == Spread().whole() == Range(0.0, 0.0)


class TestZero:
    def test_is_the_end_of_numbers_on_one_side(self):
        values = gaussian().abs()
        assert spread_of(values).best(15).low == 0.0
        assert spread_of(-values).best(15).high == 0.0
        assert spread_of(values).whole().low == spread_of(-values).whole().high == 0.0

    def test_is_the_middle_of_a_symmetric_range_whatever_the_numbers_are(self):
        """Twice as wide as it would have to be for numbers on one side, with half of the steps for them."""
        values = gaussian().abs()
        found = spread_of(values).best_symmetric(30)
        assert found.low == -found.high
        assert found.high == pytest.approx(spread_of(values).best(15).high, abs=float(values.max()) / FRACTIONS)


def test_what_swish_makes_nothing_of_takes_no_steps() -> None:
    """Of a standard normal and one number in a hundred at -300: with the end at -8 the range is that of the others."""
    torch.manual_seed(0)
    numbers = torch.randn(100_000)
    low = torch.where(torch.arange(100_000) % 100 == 0, -300.0, numbers)
    whole, ended = Spread(), Spread(SWISH_END)
    whole.add(low)
    ended.add(low)
    assert whole.best(255).low < -200.0
    assert ended.best(255).low == SWISH_END  # one in a hundred lies there, and cutting it costs more than steps gain
    assert ended.best(255).high == pytest.approx(float(numbers.max()), rel=0.5)
    assert abs(float(torch.nn.functional.silu(torch.tensor(SWISH_END)))) < 0.003
