"""Sums of whole numbers, as every format is held against them: by arithmetic, and by loops."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from export.core.integers import AT_A_HALF, StoredWeight, convolved, may_fall, rounded_rows

NUMBERS = st.floats(-100, 100, width=32).filter(lambda number: number == 0.0 or abs(number) > 1e-6)


@given(st.lists(NUMBERS, min_size=1, max_size=20))
def test_rows_are_rounded_to_within_half_a_step_and_hold_zero_exactly(numbers):
    """By arithmetic: 255 steps from the least number to the largest, 0 among them; at an end the zero may cost more."""
    values = torch.tensor([[*numbers, 0.0]])
    whole, step = rounded_rows(values)
    assert whole[0, -1] == 0.0
    assert float((whole * step - values).abs().max()) <= float(step) * 1.01
    assert float(whole.max() - whole.min()) <= 255.0


def test_each_row_has_its_own_step():
    whole, steps = rounded_rows(torch.tensor([[[0.0, 255.0]], [[0.0, 2.55]]]))
    assert whole.tolist() == [[[0.0, 255.0]], [[0.0, 255.0]]]
    assert steps.flatten().tolist() == pytest.approx([1.0, 0.01])


@pytest.mark.parametrize(("groups", "stride"), [(1, 1), (2, 2), (4, 1)])
def test_a_convolution_is_what_loops_add_up(groups, stride):
    generator = np.random.default_rng(0)
    maps, weights = generator.integers(-128, 128, (1, 5, 6, 4)), generator.integers(-127, 128, (4, 4 // groups, 3, 2))
    given = convolved(
        torch.from_numpy(maps),
        torch.from_numpy(weights),
        pads=(1, 0, 2, 1),  # left, right, top, bottom
        strides=(stride, 1),
        dilations=(1, 2),
        groups=groups,
    )
    padded = np.pad(maps, ((0, 0), (2, 1), (1, 0), (0, 0)))
    height, width = (5 + 3 - 3) // stride + 1, 6 + 1 - 3 + 1  # a kernel of 2 with a cell left out reaches over 3
    expected = np.zeros((1, height, width, 4))
    for row, column, out in itertools.product(range(height), range(width), range(4)):
        first = out // (4 // groups) * (4 // groups)
        window = padded[0, row * stride : row * stride + 3, column : column + 3 : 2, first : first + 4 // groups]
        expected[0, row, column, out] = (window.transpose(2, 0, 1) * weights[out]).sum()
    np.testing.assert_array_equal(given.numpy(), expected)


def test_the_largest_of_a_row_is_that_of_its_groups():
    values, scale = torch.tensor([[3, -8, 1, 2], [0, 0, 0, 0]]), torch.tensor([[0.5, 4.0], [0.5, 0.25]])
    weight = StoredWeight(values=values, scale=scale, zero=torch.zeros(2, 2), bits=4)
    assert weight.largest.tolist() == [8.0, 0.5]  # 8 times 0.5 is 4, 2 times 4 is 8; no step is 0


def test_numbers_at_a_half_are_those_that_may_fall_to_either_side() -> None:
    """By hand, in steps of 0.5: of the first row five lie at a half, of the second one, of the third none."""
    rows = torch.tensor([[0.25, 0.75, -0.25, 1.25, 1.75], [0.25, 0.5, 1.0, 1.5, 2.0], [0.1, 0.2, 0.3, 0.4, 0.6]])
    assert may_fall(rows, torch.full((3, 1), 0.5)).tolist() == [[5], [AT_A_HALF], [AT_A_HALF]]
