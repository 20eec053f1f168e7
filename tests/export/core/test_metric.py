"""A number that was measured of an artifact keeps its bound or does not."""

import math

import pytest

from export.core.metric import Metric


class TestMetric:
    def test_keeps_its_bound_on_the_right_side(self):
        assert Metric("share", 0.96, 0.96).passed
        assert not Metric("share", 0.95, 0.96).passed
        assert Metric("error", 0.01, 0.01, at_least=False).passed
        assert not Metric("error", 0.02, 0.01, at_least=False).passed

    @pytest.mark.parametrize("at_least", [True, False])
    def test_nan_never_passes(self, at_least):
        assert not Metric("anything", math.nan, 0.0, at_least).passed

    def test_says_which_bound_was_missed(self):
        assert str(Metric("tags equal", 0.9, 0.98)) == "tags equal 0.9 (>= 0.98, FAILED)"
        assert str(Metric("error", 0.5, 1.0, at_least=False)) == "error 0.5 (<= 1)"
