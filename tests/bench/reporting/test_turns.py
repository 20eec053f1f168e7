"""Ratios of cases that took turns, from records made by hand."""

from dataclasses import replace

import pytest

from bench.records.repeats import group
from bench.reporting.turns import speed_ratios, turn_tables
from tests.bench.samples import FAILED, SAMPLE


def record(runtime: str, number: int, milliseconds: float, **changes):
    taken = {"runtime": runtime, "round": number, "samples": {"forward": [milliseconds] * 3}, "turns": 2, **changes}
    return replace(SAMPLE, **taken)


STEADY = [
    record("pytorch", 0, 100.0),
    record("onnx", 0, 50.0),
    record("onnx", 1, 100.0),
    record("pytorch", 1, 200.0),  # a slower machine, for both
    record("pytorch", 2, 110.0),
    record("onnx", 2, 50.0),
]


def test_a_ratio_is_taken_within_each_round():
    first, other = group(STEADY)
    assert speed_ratios(first, other) == [2.0, 2.0, 2.2]
    assert speed_ratios(first, first) == [1.0] * 3


def test_the_table_has_the_median_of_the_rounds_and_how_far_they_are_apart():
    (table,) = turn_tables(STEADY)
    assert [row.label for row in table.rows] == ["tee-0, pytorch", "tee-0, onnx"]
    speed, time = table.rows[1].cells
    assert (speed.measured, speed.detail) == (pytest.approx(2.0), " (2.00 to 2.20)")
    assert time.measured == 50.0
    assert "Speed over that of tee-0, pytorch, of each of 3 rounds" in table.note
    assert "2 processes were loaded together" in table.note


def test_a_round_that_one_of_them_failed_in_is_left_out():
    failed = replace(FAILED, runtime="onnx", round=1)
    (table,) = turn_tables([*(each for each in STEADY if (each.runtime, each.round) != ("onnx", 1)), failed])
    assert table.rows[1].cells[0].measured == pytest.approx(2.1)


def test_numbers_of_threads_and_runs_have_tables_of_their_own():
    other = [replace(each, threads=2, threads_asked=2) for each in STEADY]
    assert len(turn_tables([*STEADY, *other])) == 2
    later = [replace(each, run="later", model="tee-1") for each in STEADY]
    assert [len(table.rows) for table in turn_tables([*STEADY, *later])] == [2, 2]


def test_nothing_is_said_of_cases_that_came_one_after_another():
    assert turn_tables([replace(each, turns=1) for each in STEADY]) == []
    assert turn_tables(STEADY[:1]) == []
