"""A value beside the paper's: difference, rounding, what a table shows and writes."""

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from bench.reporting.cells import Cell, Row, Table


def shown(*rows: Row, note: str = "A note.") -> list[str]:
    """The lines that a table prints, at any width."""
    console = Console(file=io.StringIO(), width=300)
    Table("Table 1. Costs", note, rows).show(console)
    return console.file.getvalue().splitlines()


class TestDifference:
    def test_is_a_share_of_the_paper_s_value(self):
        assert Cell("x", paper=8.0, measured=10.0).difference == pytest.approx(0.25)
        assert Cell("x", paper=8.0, measured=6.0).difference == pytest.approx(-0.25)

    @pytest.mark.parametrize(
        "cell",
        [
            Cell("x", paper=8.0),
            Cell("x", measured=8.0),
            Cell("x", paper="123.7 / 73.16", measured=8.0),
            Cell("ms", paper=8.0, measured=8.0, comparable=False),
        ],
    )
    def test_needs_two_figures_that_can_be_compared(self, cell):
        assert cell.difference is None
        assert not cell.rounds_to_paper


class TestRounding:
    @pytest.mark.parametrize(
        ("paper", "measured", "equal"),
        [
            (7.5, 7.543401, True),
            (7.5, 7.55001, False),
            (767.0, 767.049, True),  # printed with one decimal
            (767.0, 767.16, False),
            (0.001, 0.000975, True),
            (0.03, 0.0301, True),
            (0.8, 0.758, True),
            (98, 98.4, True),
        ],
    )
    def test_is_to_the_decimals_that_the_paper_prints(self, paper, measured, equal):
        assert Cell("x", paper=paper, measured=measured).rounds_to_paper is equal

    @given(tenths=st.integers(1, 10_000), offset=st.floats(-0.2, 0.2))
    def test_covers_half_a_unit_of_the_last_decimal_on_either_side(self, tenths, offset):
        if abs(abs(offset) - 0.05) > 1e-9:
            cell = Cell("x", paper=tenths / 10, measured=tenths / 10 + offset)
            assert cell.rounds_to_paper is (abs(offset) < 0.05)


class TestTable:
    def test_shows_paper_measured_and_difference_and_marks_what_rounds_to_the_paper(self):
        rows = [
            Row("tee-0", [Cell("Params (M)", 7.5, 7.543401, digits=3), Cell("mAP", "9.9")]),
            Row("other", [Cell("Params (M)", 10.0, 12.0, digits=3), Cell("mAP", None)]),
        ]
        lines = [line.split() for line in shown(*rows)]
        assert ["tee-0", "7.5", "7.543", "+0.6%", "=", "9.9"] in lines
        assert ["other", "10.0", "12.000", "+20.0%", "-"] in lines
        assert ["A", "note."] in lines

    def test_leaves_out_sub_columns_that_no_row_fills(self):
        lines = shown(Row("a", [Cell("runs", None, 12.0, digits=0)]))
        assert not any("paper" in line or "diff" in line for line in lines)
        assert ["a", "12"] in [line.split() for line in lines]

    def test_adds_the_spread_behind_the_figure_and_separates_thousands(self):
        lines = shown(Row("a", [Cell("ms", None, 12345.67, detail=" ± 3.2")]))
        assert any("12,345.7 ± 3.2" in line for line in lines)

    def test_prints_square_brackets_in_its_note_as_they_are(self):
        assert any(
            "see [2] and [bold]" in line for line in shown(Row("a", [Cell("x", 1.0)]), note="see [2] and [bold]")
        )

    def test_as_json_has_every_figure_unrounded(self):
        table = Table("T", "N", [Row("a", [Cell("Params (M)", 7.5, 7.543401), Cell("mAP", "9.9")])])
        assert json.loads(json.dumps(table.as_json())) == {
            "title": "T",
            "note": "N",
            "rows": [
                {
                    "label": "a",
                    "cells": [
                        {
                            "column": "Params (M)",
                            "paper": 7.5,
                            "measured": 7.543401,
                            "difference": 7.543401 / 7.5 - 1.0,
                            "rounds_to_paper": True,
                        },
                        {
                            "column": "mAP",
                            "paper": "9.9",
                            "measured": None,
                            "difference": None,
                            "rounds_to_paper": False,
                        },
                    ],
                }
            ],
        }
