"""What several repeats of a case say together."""

from dataclasses import replace

import pytest

from bench.records.record import ArtifactFile, Counts, MachineRates, Memory
from bench.records.repeats import Repeats, group
from tests.bench.samples import FAILED, SAMPLE


def repeat(number: int, *milliseconds: float, **changes):
    return replace(SAMPLE, round=number, samples={"forward": list(milliseconds)}, **changes)


def test_every_repeat_counts_the_same_however_many_runs_it_has():
    repeats = Repeats([repeat(0, 10.0, 10.0, 10.0, 10.0, 10.0), repeat(1, 20.0), repeat(2, 30.0)])
    assert repeats.median == 20.0  # of 10, 20 and 30; of all runs it would be 10
    assert repeats.totals == [10.0] * 5 + [20.0, 30.0]


def test_percentiles_and_spread_are_those_of_all_runs():
    repeats = Repeats([repeat(0, *map(float, range(1, 51))), repeat(1, *map(float, range(51, 102)))])
    assert repeats.percentile(90.0) == pytest.approx(91.0)  # of 1..101
    assert repeats.percentile(99.0) == pytest.approx(100.0)
    assert repeats.spread == pytest.approx(25.0)


def test_shares_are_those_of_the_machine_measured_beside():
    counts = Counts(params=25_000_000, macs=4_000_000_000)
    repeats = Repeats([repeat(0, 10.0, counts=counts, machine=MachineRates(gmac_per_s=800.0, gb_per_s=40.0))])
    assert repeats.matrix_share == pytest.approx(0.5)  # 4 G in 10 ms are 400 G/s of 800
    assert repeats.bandwidth_share == pytest.approx(0.25)  # 100 MB in 10 ms are 10 GB/s of 40
    artifact = ArtifactFile("a.pte", bytes=40_000_000, sha256="ab")
    smaller = Repeats([replace(repeats.records[0], artifact=artifact)])
    assert smaller.bandwidth_share == pytest.approx(0.1)
    assert Repeats([repeat(0, 10.0, machine=None)]).matrix_share is None
    assert Repeats([repeat(0, 10.0, counts=None)]).bandwidth_share is None


def test_memory_is_the_most_that_was_added():
    records = [repeat(0, 1.0, memory=Memory(300, 200)), repeat(1, 1.0, memory=Memory(350, 200)), repeat(2, 1.0)]
    assert Repeats(records[:2]).memory_bytes == 150
    assert Repeats([repeat(0, 1.0, memory=None)]).memory_bytes is None


def test_stages_are_medians_of_all_runs():
    records = [
        replace(SAMPLE, samples={"a": [1.0, 2.0], "b": [5.0, 5.0]}),
        replace(SAMPLE, round=1, samples={"a": [9.0], "b": [6.0]}),
    ]
    assert Repeats(records).stages == {"a": 2.0, "b": 5.0}


def test_disturbed_repeats_are_counted():
    assert Repeats([SAMPLE, replace(SAMPLE, disturbed=["other processes"])]).disturbed == 1


class TestGroup:
    def test_repeats_of_a_case_come_together_and_failures_not_at_all(self):
        other = replace(SAMPLE, model="minilm")
        found = group([SAMPLE, other, FAILED, replace(SAMPLE, round=1)])
        assert [repeats.case.model for repeats in found] == ["tee-0", "minilm"]
        assert [len(repeats.records) for repeats in found] == [2, 1]

    def test_the_latest_run_counts_and_the_last_record_of_a_round(self):
        again = replace(SAMPLE, load_ms=7.0)
        later = replace(SAMPLE, run="later")
        assert group([SAMPLE, again])[0].records == [again]
        assert group([SAMPLE, replace(SAMPLE, round=1), later])[0].records == [later]

    def test_threads_and_precisions_are_apart(self):
        assert len(group([SAMPLE, replace(SAMPLE, threads_asked=2), replace(SAMPLE, precision="int8")])) == 3
