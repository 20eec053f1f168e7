"""Latency tables from records made by hand."""

from dataclasses import replace

import pytest

from bench.records.record import Record
from bench.reporting import latency
from bench.reporting.cells import Cell, Table
from tests.bench.samples import SAMPLE


def latency_tables(records: list[Record]) -> list[Table]:
    """All tables but the last, which has its own test."""
    *tables, _ = latency.latency_tables(records)
    return tables


def record(model: str, milliseconds: float, runtime: str = "pytorch", **changes) -> Record:
    samples = {"forward": [milliseconds - 1.0, milliseconds, milliseconds + 1.0]}
    return replace(SAMPLE, model=model, runtime=runtime, samples=samples, **changes)


def cells(table: Table, label: str) -> dict[str, Cell]:
    (row,) = [row for row in table.rows if row.label == label]
    return {cell.column: cell for cell in row.cells}


def test_each_family_is_compared_with_its_baseline_beside_the_paper_s_ratio():
    vision, transformers = latency_tables(
        [record("tee-0", 30.0), record("r101-f", 600.0), record("minilm", 20.0), record("bert-base", 50.0)]
    )
    share = cells(vision, "tee-0, pytorch")["% of r101-f"]
    assert share.measured == pytest.approx(100 * 30 / 600)
    assert share.paper == 3.2  # section 4.2: 393.9 ms of 12.3 s
    share = cells(transformers, "minilm, pytorch")["% of bert-base"]
    assert share.measured == pytest.approx(100 * 20 / 50)
    assert share.paper == 48.7  # 346.7 ms of 712.6 ms
    assert cells(vision, "r101-f, pytorch")["% of r101-f"].measured == pytest.approx(100.0)


def test_the_paper_s_times_are_shown_and_not_compared():
    table, *_ = latency_tables([record("tee-0", 30.0)])
    time = cells(table, "tee-0, pytorch")["ms"]
    assert (time.paper, time.measured, time.difference) == (393.9, 30.0, None)
    assert time.detail == " ± 0.5"  # quartiles of 29, 30, 31 are 29.5 and 30.5
    assert cells(table, "tee-0, pytorch")["runs"].measured == 3
    assert cells(table, "tee-0, pytorch")["p90 ms"].measured == pytest.approx(30.8)  # of 29, 30, 31


def test_what_a_model_takes_beside_its_time_comes_last():
    *_, table = latency.latency_tables([record("minilm", 10.0), record("tee-0", 30.0)])
    assert [row.label for row in table.rows] == ["tee-0, pytorch", "minilm, pytorch"]
    values = {column: cell.measured for column, cell in cells(table, "tee-0, pytorch").items()}
    assert values == {
        "load ms": 100.0,
        "first run ms": 50.0,
        "memory MB": pytest.approx(100.0),  # 300 MB, of which 200 were there before
        "% of matrix rate": pytest.approx(100 * 4.4 / 0.03 / 800),  # 4.4 G multiply-adds in 30 ms, of 800 G/s
        "% of bandwidth": pytest.approx(2.5),  # 30 MB in 30 ms, of 40 GB/s
    }


def test_an_artifact_is_compared_with_the_baseline_of_its_own_runtime_or_with_pytorch_s():
    records = [
        record("minilm", 10.0, "executorch"),
        record("bert-base", 50.0),
        record("bert-base", 40.0, "executorch"),
        record("tee-0", 15.0, "executorch"),
        record("r101-f", 600.0),
    ]
    vision, transformers = latency_tables(records)
    assert cells(transformers, "minilm, executorch")["% of bert-base"].measured == pytest.approx(25.0)
    assert cells(vision, "tee-0, executorch")["% of r101-f"].measured == pytest.approx(2.5)
    assert "R101-F runs in PyTorch only" in vision.note


def test_without_the_baseline_there_is_no_ratio():
    (table,) = latency_tables([record("tee-0", 30.0)])
    assert cells(table, "tee-0, pytorch")["% of r101-f"].measured is None


def test_the_latest_of_several_measurements_counts():
    (table,) = latency_tables([record("tee-0", 30.0), record("tee-0", 20.0)])
    assert cells(table, "tee-0, pytorch")["ms"].measured == 20.0


def test_rows_come_in_the_paper_s_order_pytorch_first():
    records = [record("r101-f", 9.0), record("tee-0", 2.0, "executorch"), record("tee-0", 3.0), record("grid-r50", 5.0)]
    (table,) = latency_tables(records)
    labels = [row.label for row in table.rows]
    assert labels == ["tee-0, pytorch", "tee-0, executorch", "grid-r50, pytorch", "r101-f, pytorch"]


def test_models_of_no_table_get_one_of_their_own_without_ratios():
    (table,) = latency_tables([record("minivlm", 30.0)])
    assert "other models" in table.title
    assert not any(column.startswith("%") for column in cells(table, "minivlm, pytorch"))


def test_stages_are_shown_apart():
    stages = {"preprocess": [1.0, 2.0, 3.0], "regions": [30.0, 20.0, 10.0], "steps": [7.0, 9.0, 8.0]}
    whole = replace(SAMPLE, model="minivlm", samples=stages, tokens=16)
    other, apart = latency_tables([whole])
    # Medians of the runs' sums 38, 31, 21, and of each stage.
    assert cells(other, "minivlm, pytorch")["ms"].measured == 31.0
    values = {column: cell.measured for column, cell in cells(apart, "minivlm, pytorch").items()}
    assert values == {"preprocess ms": 2.0, "regions ms": 20.0, "steps ms": 8.0, "tokens/s": 2000.0}


def test_stages_that_a_model_does_not_have_stay_empty():
    whole = replace(SAMPLE, model="minivlm", samples={"regions": [20.0], "steps": [8.0]}, tokens=16)
    parts = replace(SAMPLE, samples={"backbone": [5.0], "head": [6.0]})
    *_, apart = latency_tables([whole, parts, replace(SAMPLE, model="minilm")])
    assert [row.label for row in apart.rows] == ["tee-0, pytorch", "minivlm, pytorch"]
    assert cells(apart, "tee-0, pytorch")["steps ms"].measured is None
    assert cells(apart, "tee-0, pytorch")["tokens/s"].measured is None


def test_labels_say_what_differs_and_nothing_else():
    records = [
        record("tee-0", 30.0, threads_asked=1),
        record("tee-0", 20.0, threads_asked=2),
        record("tee-0", 10.0, "executorch", threads_asked=2, precision="int8"),
    ]
    (table,) = latency_tables(records)
    assert [row.label for row in table.rows] == [
        "tee-0, pytorch, fp32, 1 thread",
        "tee-0, pytorch, fp32, 2 threads",
        "tee-0, executorch, int8, 2 threads",
    ]


def test_the_headline_of_mlperf_is_its_90th_percentile():
    (table,) = latency_tables([record("tee-0", 30.0, profile="mlperf")])
    assert "p90 ms (headline)" in cells(table, "tee-0, pytorch")


def test_disturbed_measurements_are_counted_in_the_note():
    (table,) = latency_tables([record("tee-0", 30.0, disturbed=["other processes"]), record("r101-f", 30.0)])
    assert "1 of 2 measurements were disturbed" in table.note


def test_the_note_says_what_must_be_known_to_repeat_it():
    (table,) = latency_tables([record("tee-0", 30.0, threads=1)])
    for part in ("Example CPU", "random (seed 0)", "tee-0 512x512", "1 thread of"):
        assert part in table.note
    (table,) = latency_tables([record("tee-0", 30.0, threads=2), record("r101-f", 30.0, threads=4)])
    assert "2 or 4 threads" in table.note


def test_nothing_measured_gives_no_table():
    assert latency.latency_tables([]) == []
