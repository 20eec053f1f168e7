"""The report: from records alone, complete, safe against what records hold, and readable without a network."""

import csv
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from bench.costs.counts import Count
from bench.records.file import append
from bench.records.record import Failure, Record
from bench.records.repeats import group
from bench.records.scores import SCORES, write_scores
from bench.report import as_csv, html, main, markdown, markdown_table
from bench.reporting import paper
from bench.reporting.paper_tables import device_statuses, measured_tables
from bench.reporting.plots import pictures
from minivlm.errors import UserError
from tests.bench.samples import FAILED, SAMPLE, SCORE


def record(model: str, milliseconds: float, runtime: str = "pytorch", **changes) -> Record:
    return replace(SAMPLE, model=model, runtime=runtime, samples={"forward": [milliseconds] * 5}, **changes)


STAGED = replace(SAMPLE, samples={"backbone": [6.0, 6.0], "proposals": [1.0, 1.0], "head": [3.0, 3.0]})
RECORDS = [
    STAGED,
    record("r101-f", 600.0),
    record("minilm", 20.0),
    record("minilm", 30.0, threads_asked=1, threads=1),
    record("minilm", 10.0, "onnx"),
    record("bert-base", 50.0),
    record("tee-0", 8.0, "onnx", sustained=[(1.0, 8.0), (2.0, 9.0)]),
    FAILED,
]


@pytest.fixture
def counts():
    """Made-up counts of every model in the paper's tables: what is counted is tested elsewhere."""
    count = Count(params=7_500_000, trainable=7_000_000, macs=4_400_000_000)
    models = {*paper.TABLE_1, *paper.TABLE_2, *paper.TABLE_10}
    return {model: dict.fromkeys(("backbone", "rpn", "box_head", "total"), count) for model in models}


def cells(tables, number: str, label: str) -> dict[str, object]:
    (table,) = [table for table in tables if table.title.startswith(number)]
    (row,) = [row for row in table.rows if row.label == label]
    return {cell.column: cell for cell in row.cells}


class TestPaperTables:
    def test_have_measured_latency_beside_the_paper_s_ratio(self, counts):
        tables = measured_tables(counts, RECORDS)
        found = cells(tables, "Table 1.", "tee-0")
        assert found["pytorch ms"].measured == 10.0
        assert found["pytorch % of r101-f"].measured == pytest.approx(100.0 * 10.0 / 600.0)
        assert found["pytorch % of r101-f"].paper == 3.2  # section 4.2: 393.9 ms of 12.3 s
        assert found["onnx % of r101-f"].measured == pytest.approx(100.0 * 8.0 / 600.0)  # PyTorch's, there is no other
        found = cells(tables, "Table 2.", "minilm")
        assert found["pytorch ms"].measured == 20.0  # of 4 threads, as most was measured
        assert found["pytorch % of bert-base"].paper == 48.7  # 346.7 ms of 712.6 ms
        assert cells(tables, "Table 3.", "tee-0 + minilm")["pytorch ms"].measured == 30.0
        assert cells(tables, "Table 5.", "tee-0")["box_head ms"].measured == 3.0

    def test_keep_their_counts(self, counts):
        kept = cells(measured_tables(counts, RECORDS), "Table 1.", "tee-0")["Params (M)"]
        assert (kept.paper, kept.measured) == (7.5, 7.5)

    def test_what_no_phone_measured_says_how(self):
        texts = [str(status) for status in device_statuses(RECORDS)]
        assert texts == [
            "this machine: 7 measurements",
            "Android phones: not measured: python bench/run.py --device android",
            "iPhones: not measured: python bench/run.py --device ios",
            'hosted phones: not measured: python bench/run.py --device hub --phone "Samsung Galaxy S24"',
        ]
        phone = replace(SAMPLE, device="android")
        assert str(device_statuses([phone])[1]) == "Android phones: 1 measurements"


class TestPictures:
    def test_show_all_that_there_are_records_for(self):
        made = pictures({repeats.case: repeats for repeats in group(RECORDS)})
        assert len(made) == 8
        for picture in made.values():
            assert ElementTree.fromstring(picture).tag.endswith("svg")

    def test_are_left_out_where_there_are_none(self):
        plain = replace(record("minilm", 20.0), counts=None, machine=None)
        made = pictures({repeats.case: repeats for repeats in group([plain])})
        assert list(made) == ["Distribution of latency"]
        assert pictures({}) == {}

    def test_are_the_same_for_the_same_records(self):
        found = {repeats.case: repeats for repeats in group([record("minilm", 20.0)])}
        assert pictures(found) == pictures(found)


class TestOutputs:
    def test_three_files_are_written(self, tmp_path, counts, monkeypatch):
        monkeypatch.setattr("bench.report.count_all", lambda: counts)
        for each in RECORDS:
            append(tmp_path / "records.jsonl", each)
        main([str(tmp_path), "--output", str(tmp_path / "report")])
        assert {path.name for path in (tmp_path / "report").iterdir()} == {"tables.md", "report.html", "records.csv"}

    def test_scores_beside_the_records_are_shown(self, tmp_path, counts, monkeypatch):
        monkeypatch.setattr("bench.report.count_all", lambda: counts)
        append(tmp_path / "records.jsonl", SAMPLE)
        write_scores(tmp_path / "accuracy" / SCORES, [replace(SCORE, row="<b>onnx</b> int8", kept=0.5)])
        main([str(tmp_path)])
        tables, page = ((tmp_path / name).read_text() for name in ("tables.md", "report.html"))
        assert "75.0 (50.0 to 87.5)" in tables
        assert "## Table 8. Retrieval, the paper's 1K set" in tables
        assert "Scores against speed or size (Figure 4)" in page
        assert "<b>onnx" not in page

    def test_the_page_needs_no_network_and_trusts_no_text(self, counts):
        hostile = replace(FAILED, error=Failure(1, "<script>alert(1)</script>", ["<img src=x>"]))
        page = html(measured_tables(counts, RECORDS), [*RECORDS, hostile])
        assert "<script" not in page
        assert "<img" not in page
        assert not re.findall(r'(?:src|href)="(?!#)[^"]*"', page)
        assert "killed by signal 11" in page
        assert "python bench/run.py --device ios" in page

    def test_markdown_tables_have_a_cell_for_every_heading(self, counts):
        tables = measured_tables(counts, RECORDS)
        for table in tables:
            assert len({line.count("|") for line in markdown_table(table)}) == 1
        text = markdown(tables, RECORDS)
        assert "- tee-0, executorch, fp32, 4 threads, round 1: killed by signal 11" in text
        assert "7 measurements" in text

    def test_csv_has_a_row_a_repeat(self):
        rows = list(csv.DictReader(as_csv(RECORDS).splitlines()))
        assert len(rows) == len(RECORDS)
        assert (rows[0]["median_ms"], rows[0]["backbone ms"], rows[0]["params"]) == ("10.0", "6.0", "7500000")
        assert (rows[-1]["status"], rows[-1]["median_ms"], rows[-1]["reason"]) == ("failed", "", "killed by signal 11")

    def test_nothing_to_report_is_a_user_s_error(self, tmp_path: Path):
        with pytest.raises(UserError, match=r"no records\.jsonl"):
            main([str(tmp_path)])


@pytest.mark.parametrize("name", ["tables.md", "report.html", "records.csv"])
def test_records_with_a_report_s_name_are_not_overwritten(tmp_path, name):
    append(tmp_path / name, SAMPLE)
    before = (tmp_path / name).read_bytes()
    with pytest.raises(UserError, match="would be overwritten"):
        main([str(tmp_path / name)])
    assert (tmp_path / name).read_bytes() == before
