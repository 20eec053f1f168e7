"""Records: statistics, rules, and one line each."""

import statistics
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.records.quantiles import percentile
from bench.records.record import Failure, Record
from tests.bench.samples import FAILED, SAMPLE

times = st.lists(st.floats(0.001, 1e6), min_size=1, max_size=20)


class TestStatistics:
    def test_a_run_is_the_sum_of_its_stages(self):
        record = replace(SAMPLE, samples={"regions": [10.0, 30.0, 20.0], "fusion": [1.0, 2.0, 6.0]})
        assert record.totals == [11.0, 32.0, 26.0]
        assert record.median == 26.0

    def test_spread_is_half_the_distance_of_the_quartiles(self):
        # Of 1..5 the quartiles are 2 and 4; one slow run changes nothing.
        assert replace(SAMPLE, samples={"forward": [5.0, 1.0, 3.0, 2.0, 4.0]}).spread == 1.0
        assert replace(SAMPLE, samples={"forward": [500.0, 1.0, 3.0, 2.0, 4.0]}).spread == 1.0

    def test_one_run_has_no_spread(self):
        assert replace(SAMPLE, samples={"forward": [7.0]}).spread == 0.0

    @given(samples=times)
    def test_the_median_is_a_middle(self, samples):
        record = replace(SAMPLE, samples={"forward": samples})
        assert record.median == statistics.median(samples)
        assert record.spread >= 0.0

    @given(samples=times, percent=st.floats(0.0, 100.0))
    def test_percentiles_are_numpy_s(self, samples, percent):
        assert percentile(samples, percent) == pytest.approx(np.percentile(samples, percent), rel=1e-9)

    def test_tokens_are_counted_in_the_time_of_their_steps_alone(self):
        record = replace(SAMPLE, samples={"regions": [900.0], "steps": [100.0]}, tokens=19)
        assert record.tokens_per_second == pytest.approx(190.0)
        assert SAMPLE.tokens_per_second is None


class TestRecords:
    @pytest.mark.parametrize(
        "changes",
        [
            {"samples": {}},
            {"samples": {"forward": []}},
            {"samples": {"regions": [10.0, 30.0], "fusion": [1.0]}},
            {"error": FAILED.error},
            {"status": "failed"},
            {"status": "failed", "error": FAILED.error},
            {"status": "failed", "samples": {}},
        ],
    )
    def test_what_contradicts_itself_is_none(self, changes):
        with pytest.raises(ValueError, match="record"):
            replace(SAMPLE, **changes)

    def test_repeats_share_their_case(self):
        assert SAMPLE.case == ("cpu", "tee-0", "pytorch", "fp32", 4, "", "", "")
        assert replace(SAMPLE, round=3, threads=2).case == SAMPLE.case
        assert str(SAMPLE.case) == "tee-0, pytorch, fp32, 4 threads"


class TestLines:
    @given(
        samples=times,
        text=st.text(),
        load=st.floats(0.001, 1e9),
        long=st.lists(st.tuples(st.floats(0, 9), st.floats(0.001, 9))),
    )
    def test_a_record_comes_back_as_it_was(self, samples, text, load, long):
        for record in (
            replace(SAMPLE, samples={"forward": samples}, environment={"cpu": text}, load_ms=load, sustained=long),
            replace(FAILED, error=Failure(None, text, [text])),
        ):
            line = record.to_json()
            assert len(line.split("\n")) == 1
            assert Record.from_json(line) == record


def test_a_record_is_of_a_phone_or_else_of_a_processor():
    assert replace(SAMPLE, environment={"cpu": "A SoC", "phone": "A Phone"}).machine_name == "A Phone"
    assert replace(SAMPLE, environment={"cpu": "A SoC"}).machine_name == "A SoC"
    assert replace(SAMPLE, environment={}).machine_name == "an unknown machine"
