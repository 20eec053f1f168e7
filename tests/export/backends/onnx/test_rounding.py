"""Rounding weights to int8: never off by more than half a step, and where inputs are known, outputs stay closer."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from onnx import numpy_helper
from onnx.parser import parse_model

from export.backends.onnx.rounding import round_for_inputs, round_to_nearest, second_moments

NORMAL = st.floats(-100, 100, width=32, allow_subnormal=False)
"""Below the smallest normal number a scale itself is rounded by more than the tolerance."""


class TestRoundToNearest:
    @given(arrays(np.float32, (3, 2, 2), elements=NORMAL))
    def test_is_off_by_half_a_step_at_most_and_uses_the_whole_range(self, weight):
        values, scale = round_to_nearest(weight)
        assert (values.dtype, scale.dtype, scale.shape) == (np.int8, np.float32, (3,))
        error = np.abs(values.astype(np.float64) * scale[:, None, None].astype(np.float64) - weight)
        assert (error <= scale[:, None, None] * 0.501).all()  # half a step and float32 rounding of the quotient
        largest = np.abs(values.astype(int)).reshape(3, -1).max(axis=1)
        normal = np.abs(weight).reshape(3, -1).max(axis=1) > 1e-30
        assert (largest[normal] == 127).all()

    def test_a_channel_of_zeros_stays_zero(self):
        values, scale = round_to_nearest(np.zeros((2, 5), np.float32))
        assert not values.any()
        assert np.isfinite(scale).all()


class TestRoundForInputs:
    def test_of_unrelated_inputs_is_rounding_to_nearest(self):
        weight = np.random.default_rng(0).standard_normal((6, 10, 1, 1)).astype(np.float32)
        values, scale = round_for_inputs(weight, np.eye(10))
        expected, expected_scale = round_to_nearest(weight)
        assert np.array_equal(values, expected)
        assert np.array_equal(scale, expected_scale)

    def test_of_inputs_with_a_common_mean_keeps_outputs_closer(self):
        generator = np.random.default_rng(0)
        weight = generator.standard_normal((16, 32, 1, 1)).astype(np.float32)
        inputs = 2.0 + 0.3 * generator.standard_normal((32, 500))  # (I, cells), as behind swish

        def error(rounded: tuple) -> float:
            values, scale = rounded
            return float(np.square((values[:, :, 0, 0] * scale[:, None] - weight[:, :, 0, 0]) @ inputs).mean())

        # The mean, 2 ** 2 of the power against 0.3 ** 2, can be made good by any one channel: far more than half goes.
        assert error(round_for_inputs(weight, inputs @ inputs.T)) < 0.25 * error(round_to_nearest(weight))

    def test_inputs_that_were_always_zero_do_no_harm(self):
        weight = np.random.default_rng(0).standard_normal((4, 6, 1, 1)).astype(np.float32)
        values, _ = round_for_inputs(weight, np.zeros((6, 6)))
        assert np.array_equal(values, round_to_nearest(weight)[0])


def test_second_moments_are_sums_over_cells_and_samples():
    model = parse_model(
        """<ir_version: 10, opset_import: ["" : 20]>
        twice (float[1, 3, 2, 2] x) => (float[1, 3, 2, 2] z) { y = Mul(x, two) z = Identity(y) }"""
    )
    model.graph.initializer.append(numpy_helper.from_array(np.array([2.0], np.float32), "two"))
    samples = np.random.default_rng(0).standard_normal((2, 1, 3, 2, 2)).astype(np.float32)
    moments = second_moments(model, ["y"], [{"x": sample} for sample in samples])
    expected = 4.0 * np.einsum("nbihw,nbjhw->ij", samples, samples, dtype=np.float64)
    np.testing.assert_allclose(moments["y"], expected, rtol=1e-6)


def test_second_moments_of_nothing_are_none():
    """Where every 1x1 convolution is kept in float."""
    model = parse_model(
        """<ir_version: 10, opset_import: ["" : 20]>
        same (float[1, 3, 2, 2] x) => (float[1, 3, 2, 2] z) { z = Identity(x) }"""
    )
    assert second_moments(model, [], [{"x": np.zeros((1, 3, 2, 2), np.float32)}]) == {}
