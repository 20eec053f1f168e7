"""Scaling with threads and latency over time, from records made by hand."""

from dataclasses import replace

import pytest

from bench.records.repeats import group
from bench.reporting.sweeps import cliffs, curves, recommended_threads, sweep_tables
from tests.bench.samples import SAMPLE


def sweep(**milliseconds: float):
    """Records of one case with t1, t2, ... threads on a machine with 2 cores."""
    return [
        replace(
            SAMPLE,
            threads=int(name[1:]),
            threads_asked=int(name[1:]),
            samples={"forward": [ms]},
            environment={"cpu": "Example CPU", "cores": 2},
        )
        for name, ms in milliseconds.items()
    ]


def curve(**milliseconds: float):
    (found,) = curves(group(sweep(**milliseconds))).values()
    return found


class TestRecommendation:
    def test_is_the_fastest(self):
        assert recommended_threads(curve(t1=100.0, t2=55.0, t4=40.0)) == 4
        assert recommended_threads(curve(t1=100.0, t2=55.0, t4=120.0)) == 2

    def test_is_the_fewest_threads_where_more_hardly_help(self):
        assert recommended_threads(curve(t1=100.0, t2=55.0, t4=54.0)) == 2  # 1.9 % above the best
        assert recommended_threads(curve(t1=100.0, t2=55.0, t4=53.0)) == 4  # 3.8 %


class TestCliff:
    def test_is_named_with_how_much_slower_and_why(self):
        assert cliffs(curve(t1=100.0, t2=50.0, t4=150.0)) == [
            "4 threads take 3.0 times as long as 2, there are 2 cores"
        ]

    def test_is_none_where_more_threads_do_no_harm(self):
        assert cliffs(curve(t1=100.0, t2=50.0, t4=54.0)) == []
        assert cliffs(curve(t1=100.0, t2=50.0)) == []

    def test_may_come_before_the_cores_are_used_up(self):
        assert cliffs(curve(t1=10.0, t2=20.0)) == ["2 threads take 2.0 times as long as 1"]


def test_the_table_has_the_curve_the_setting_and_the_warning():
    (table,) = sweep_tables(sweep(t4=150.0, t1=100.0, t2=50.0))
    (row,) = table.rows
    assert row.label == "tee-0, pytorch, fp32"
    assert [(cell.column, cell.measured, cell.detail) for cell in row.cells] == [
        ("1 threads ms", 100.0, " (1.00x)"),
        ("2 threads ms", 50.0, " (2.00x)"),
        ("4 threads ms", 150.0, " (0.67x)"),
        ("take", 2.0, ""),
    ]
    assert "Beware of the cliff: tee-0, pytorch, fp32: 4 threads take 3.0 times as long as 2" in table.note


def test_one_number_of_threads_is_no_sweep():
    assert sweep_tables([SAMPLE]) == []


def test_latency_over_time_is_begin_against_end():
    # Ten minutes: 10 ms in the first, then slowly up, 15 ms in the last; one second of 40 ms in between.
    points = [(second + 1.0, 10.0 if second < 60 else 12.0 if second < 540 else 15.0) for second in range(600)]
    points[300] = (301.0, 40.0)
    (table,) = sweep_tables([replace(SAMPLE, sustained=points)])
    (row,) = table.rows
    values = {cell.column: cell.measured for cell in row.cells}
    assert values == {
        "minutes": 10.0,
        "begin ms": 10.0,
        "end ms": 15.0,
        "end over begin": 1.5,
        "slowest second ms": 40.0,
    }


def test_a_short_long_measurement_is_compared_by_quarters():
    points = [(1.0, 10.0), (2.0, 11.0), (3.0, 12.0), (4.0, 13.0)]
    (table,) = sweep_tables([replace(SAMPLE, sustained=points)])
    values = {cell.column: cell.measured for cell in table.rows[0].cells}
    assert (values["begin ms"], values["end ms"]) == (10.0, 12.5)  # the last quarter begins at 3 s


def test_a_phone_s_thermal_status_over_time_is_told():
    points = [(second + 1.0, 10.0) for second in range(300)]
    states = [[0.0, "none"], [90.2, "light"], [240.0, "moderate"]]
    phone = replace(SAMPLE, device="android", environment={"phone": "A", "thermal_states": states}, sustained=points)
    (table,) = sweep_tables([phone])
    told = "none from 0.0 min on, light from 1.5 min on, moderate from 4.0 min on."
    assert table.note.endswith(f"Thermal status: tee-0, pytorch, fp32, 4 threads: {told}")
    (plain,) = sweep_tables([replace(SAMPLE, sustained=points)])
    assert "Thermal" not in plain.note


@pytest.mark.parametrize("states", [None, "hot", [3], [["soon", "light"]], [[1.0]], {"none": 0}])
def test_thermal_states_that_are_none_are_left_out(states):
    points = [(second + 1.0, 10.0) for second in range(5)]
    (table,) = sweep_tables([replace(SAMPLE, environment={"thermal_states": states}, sustained=points)])
    assert "Thermal" not in table.note
