"""Records: statistics, rules, and one line each."""

import json
import statistics
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.records.accelerated import Accelerated
from bench.records.conditions import conditions
from bench.records.quantiles import percentile
from bench.records.record import Failure, Record, failed_instead
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


class TestAccelerated:
    """What accelerators have came into format 2 later; lines from before are read."""

    TOLD = Accelerated(adapter="A GPU", computed="fp16", pieces={"forward": 3}, macs={"forward": 1.0})

    def test_a_line_without_the_field_is_read(self):
        fields = json.loads(SAMPLE.to_json())
        assert fields.pop("accelerated") is None
        assert (fields["format"], Record.from_json(json.dumps(fields))) == (2, SAMPLE)

    @given(
        planned=st.dictionaries(st.text(), st.dictionaries(st.sampled_from(["cpu", "gpu", "ne"]), st.integers(0, 9)))
    )
    def test_it_comes_back_as_it_was_and_its_shares_add_up(self, planned):
        record = replace(SAMPLE, accelerated=replace(self.TOLD, planned=planned))
        assert Record.from_json(record.to_json()) == record
        shares = record.accelerated.shares
        assert sum(shares.values()) == pytest.approx(1.0 if shares else 0.0)

    def test_a_share_above_one_is_none(self):
        line = (
            replace(SAMPLE, accelerated=self.TOLD).to_json().replace('"macs":{"forward":1.0}', '"macs":{"forward":1.5}')
        )
        with pytest.raises(ValueError, match=r"accelerated\.macs\.forward"):
            Record.from_json(line)

    def test_core_ml_s_records_from_before_there_was_a_choice_are_of_all_units(self):
        old = replace(SAMPLE, runtime="coreml")
        assert old.case == replace(old, accelerator="all").case != replace(old, accelerator="cpu").case

    def test_two_devices_are_not_compared(self):
        one, other = (replace(SAMPLE, accelerated=replace(self.TOLD, adapter=name)) for name in ("A GPU", "Another"))
        assert dict(conditions(one)) != dict(conditions(other))
        assert dict(conditions(SAMPLE))["accelerator"] == ""

    def test_a_failed_one_has_none(self):
        assert failed_instead(replace(SAMPLE, accelerated=self.TOLD), FAILED.error).accelerated is None


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
