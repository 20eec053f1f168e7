"""The judge of artifacts: signal over noise, outputs by name, logits by row, and the worst of several."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from export.core.metric import Metric
from export.verify.metrics import EQUAL, FEW, MANY_ROWS, compare_logits, compare_tensors, sqnr, worst
from export.verify.tolerances import TOLERANCES

FP32 = TOLERANCES["fp32"]


class TestSQNR:
    def test_is_signal_over_noise_in_decibels(self):
        # Energies 100 and 1: 10 log10(100) = 20 dB; a tenth of the noise's amplitude is 20 dB more.
        reference = torch.tensor([6.0, 8.0])
        assert sqnr(reference, reference + torch.tensor([0.6, 0.8])) == pytest.approx(20.0, abs=1e-5)
        assert sqnr(reference, reference + torch.tensor([0.06, 0.08])) == pytest.approx(40.0, abs=1e-4)

    @given(scale=st.floats(1e-3, 1e3), share=st.floats(1e-6, 1.0))
    @settings(max_examples=50)
    def test_depends_on_the_relative_error_only(self, scale, share):
        reference = scale * torch.tensor([3.0, -4.0, 12.0], dtype=torch.float64)
        assert sqnr(reference, reference * (1.0 + share)) == pytest.approx(-20.0 * math.log10(share), abs=1e-6)

    def test_is_bounded_because_json_has_no_infinity(self):
        assert sqnr(torch.ones(3), torch.ones(3)) == EQUAL
        assert sqnr(torch.zeros(3), torch.zeros(3)) == EQUAL

    def test_of_noise_around_zero_is_the_worst(self):
        assert sqnr(torch.zeros(3), torch.ones(3)) == -EQUAL

    @pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
    def test_of_a_result_that_is_not_finite_is_nan_or_the_worst(self, wrong):
        value = sqnr(torch.ones(3), torch.tensor([1.0, wrong, 1.0]))
        assert math.isnan(value) or value == -EQUAL


class TestTensors:
    def test_are_compared_by_name_and_position(self):
        reference = [torch.ones(10), torch.ones(10)]
        metrics = compare_tensors(("pooled", "keys"), reference, [torch.ones(10), torch.full((10,), 1.01)], FP32)
        assert [metric.name for metric in metrics] == ["pooled SQNR dB", "keys SQNR dB"]
        assert metrics[1].value == pytest.approx(40.0, abs=0.01)  # 1 % off
        assert [metric.passed for metric in metrics] == [True, False]

    @pytest.mark.parametrize(("count", "passed"), [(2, True), (FEW, False)])
    def test_two_numbers_that_happen_to_be_small_have_a_bound_of_their_own(self, count, passed):
        """Half as much noise as signal is 6 dB; int8 has to keep 15 of many numbers, and 0 of the two of a pair."""
        signal = torch.full((count,), 0.02)
        (metric,) = compare_tensors(("pair",), [signal], [1.5 * signal], TOLERANCES["int8"])
        assert metric.value == pytest.approx(6.02, abs=0.01)
        assert metric.passed is passed

    def test_one_nan_fails(self):
        other = torch.ones(1000)
        other[7] = math.nan
        assert not compare_tensors(("x",), [torch.ones(1000)], [other], FP32)[0].passed

    def test_a_missing_output_is_an_error(self):
        with pytest.raises(ValueError, match="shorter"):
            compare_tensors(("x", "y"), [torch.ones(1)] * 2, [torch.ones(1)], FP32)


class TestLogits:
    def values(self, reference: list[list[float]], other: list[list[float]]) -> list[float]:
        """The metrics of rows that are repeated until they are many."""
        first, second = (torch.tensor(rows).repeat(MANY_ROWS, 1) for rows in (reference, other))
        return [metric.value for metric in compare_logits("x", first, second, FP32)]

    def test_the_best_entry_is_counted_by_row_and_the_divergence_averaged(self):
        # Row 1 is equal. Row 2: p = (3/4, 1/4) against (1/4, 3/4): KL = 3/4 log 3 - 1/4 log 3 = log(3) / 2.
        three = math.log(3.0)
        agreement, divergence = self.values([[1.0, 0.0], [three, 0.0]], [[1.0, 0.0], [0.0, three]])
        assert agreement == 0.5
        assert divergence == pytest.approx(math.log(3.0) / 4.0, abs=1e-7)

    def test_a_shift_of_all_logits_changes_nothing(self):
        agreement, divergence = self.values([[1.0, 2.0, 0.5]], [[11.0, 12.0, 10.5]])
        assert agreement == 1.0
        assert divergence == pytest.approx(0.0, abs=1e-12)

    def test_of_few_rows_only_the_divergence_is_judged(self):
        (metric,) = compare_logits("x", torch.ones(MANY_ROWS - 1, 3), torch.ones(MANY_ROWS - 1, 3), FP32)
        assert metric.name == "x KL nats"

    def test_only_outputs_that_are_logits_have_them(self):
        tensors = (torch.ones(1, 3), torch.ones(MANY_ROWS, 3))
        names = [metric.name for metric in compare_tensors(("pooled", "caption_logits"), tensors, tensors, FP32)]
        assert names == [
            "pooled SQNR dB",
            "caption_logits SQNR dB",
            "caption_logits best entry equal",
            "caption_logits KL nats",
        ]


class TestWorst:
    def test_takes_each_metric_s_worst_on_its_own_side(self):
        one = [Metric("share", 0.9, 0.5), Metric("error", 0.1, 1.0, at_least=False)]
        two = [Metric("share", 0.8, 0.5), Metric("error", 0.05, 1.0, at_least=False), Metric("more", 1.0, 0.5)]
        found = worst([one, two])
        assert {metric.name: metric.value for metric in found} == {"share": 0.8, "error": 0.1, "more": 1.0}

    @pytest.mark.parametrize("values", [(math.nan, 0.9), (0.9, math.nan)])
    def test_nan_is_worse_than_anything(self, values):
        (found,) = worst([[Metric("share", value, 0.5)] for value in values])
        assert math.isnan(found.value)
