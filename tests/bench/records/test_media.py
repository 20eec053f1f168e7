"""Text from records in each medium."""

import csv
import io
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from bench.records.media import for_markdown, for_sheet, for_terminal
from bench.report import as_csv, facts, html, markdown
from bench.reporting.latency import latency_tables
from tests.bench.samples import FAILED, SAMPLE

ODD = "[/x] <b>|$\\frac `a`\x1b[31m\n=1+1"


@given(st.text())
def test_a_terminal_shows_a_line_without_control_sequences(text):
    console = Console(file=io.StringIO(), width=10_000)
    console.print(for_terminal(text))
    assert console.file.getvalue().rstrip("\n").isprintable()


@given(st.text())
def test_markdown_has_no_row_and_no_cell_more(text):
    shown = for_markdown(text)
    assert "\n" not in shown
    assert shown.replace("\\\\", "").replace("\\|", "").count("|") == 0
    assert "<" not in shown


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", " =1", "\t=1", "\r=1"])
def test_a_sheet_gets_no_formula(text):
    assert str(for_sheet(text))[0] not in "=+-@\t\r "
    assert for_sheet(-1.5) == -1.5


@pytest.mark.filterwarnings("ignore:Glyph")
def test_a_report_takes_any_text():
    records = [
        replace(
            SAMPLE, model=ODD, runtime=ODD, environment={"cpu": ODD}, weights=ODD, samples={ODD: [1.0], "b": [2.0]}
        ),
        replace(FAILED, model=ODD),
    ]
    tables = latency_tables(records)
    assert "<b>" not in markdown(tables, records)
    page = html(tables, records)
    assert "<b>" not in page
    assert "\x1b" not in page
    assert len(list(csv.reader(io.StringIO(as_csv(records))))) == 3
    assert facts(records)
    for table in tables:
        table.show(Console(file=io.StringIO()))
