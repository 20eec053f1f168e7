"""Weights as whole numbers: each the nearest in steps of its scale, and none beyond the largest.

Expected numbers are plain arithmetic in float64.
"""

import numpy as np
import pytest

from export.backends.coreml.rounding import nearest

ROWS, WIDTH = 64, 128
BY_ROW, BY_GROUP = (1, 0), (1, 32)


def weights(size: float) -> np.ndarray:
    return (np.random.default_rng(0).standard_normal((ROWS, WIDTH)) * size).astype(np.float16)


def steps_apart(weight: np.ndarray, data: np.ndarray, scale: np.ndarray) -> np.ndarray:
    spread = np.repeat(scale.astype(np.float64), WIDTH // scale.shape[1], axis=1)
    return np.abs(weight.astype(np.float64) / spread - data)


@pytest.mark.parametrize("size", [1.0, 1e-2, 1e-4, 1e-6])
@pytest.mark.parametrize(("bits", "blocks", "groups"), [(8, BY_ROW, 1), (4, BY_GROUP, 4)])
def test_every_weight_is_within_half_a_step(size, bits, blocks, groups):
    """Down to where float16 tells no scales apart: its smallest number is 6e-8, and a step of 1e-6 / 127 is less."""
    weight = weights(size)
    data, scale = nearest(weight, bits, blocks)
    assert (data.shape, scale.shape, scale.dtype) == ((ROWS, WIDTH), (ROWS, groups), np.float16)
    assert steps_apart(weight, data, scale).max() <= 0.5
    assert np.abs(data).max() <= 2 ** (bits - 1) - 1


def test_the_largest_weight_takes_all_steps():
    """Where float16 has digits to spare, the scale is the largest weight of the row by 127, to 11 bits."""
    weight = weights(1.0)
    data, scale = nearest(weight, 8, BY_ROW)
    assert (np.abs(data).max(axis=1) == 127).all()
    exact = np.abs(weight.astype(np.float64)).max(axis=1) / 127
    assert (scale[:, 0] >= exact).all()
    np.testing.assert_allclose(scale[:, 0].astype(np.float64), exact, rtol=2.0**-10)


def test_a_row_of_zeros_has_a_scale():
    weight = weights(1.0)
    weight[3] = 0.0
    data, scale = nearest(weight, 8, BY_ROW)
    assert (data[3] == 0).all()
    assert scale[3, 0] == 1.0


def test_kernels_of_a_convolution_have_a_scale_a_row():
    weight = np.random.default_rng(1).standard_normal((8, 4, 3, 3)).astype(np.float32)
    data, scale = nearest(weight, 8, (1, 0, 0, 0))
    assert scale.shape == (8, 1, 1, 1)
    np.testing.assert_array_equal(data, np.rint(weight.astype(np.float64) / scale))
