"""Tables of values beside the paper's: one model for all of them, shown on a terminal or written as JSON."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from bench.records.media import for_terminal
from minivlm.errors import printable


@dataclass(frozen=True)
class Cell:
    """One value.

    Attributes:
        column: What it is, with its unit.
        paper: The paper's value as printed there; None where it gives none.
        measured: Ours in the same unit; None where it cannot be measured here.
        digits: Decimals to show of the measured value.
        detail: Added behind the measured value, such as its spread.
        absent: Shown in place of a measured value that is not there.
        comparable: Whether the difference means anything; it does not between times of different machines.
    """

    column: str
    paper: float | str | None = None
    measured: float | None = None
    digits: int = 1
    detail: str = ""
    comparable: bool = True
    absent: str = "-"

    @property
    def difference(self) -> float | None:
        """Measured against the paper, as a share of the paper's value."""
        if self.measured is None or not isinstance(self.paper, int | float) or not self.comparable:
            return None
        return self.measured / self.paper - 1.0

    @property
    def rounds_to_paper(self) -> bool:
        """Whether the measured value, rounded as the paper's is, is the paper's."""
        if self.measured is None or not isinstance(self.paper, int | float) or not self.comparable:
            return False
        decimals = len(str(self.paper).partition(".")[2])
        return round(self.measured, decimals) == self.paper


@dataclass(frozen=True)
class Row:
    """A labelled row of values, in the order of the table's columns."""

    label: str
    cells: Sequence[Cell]


@dataclass(frozen=True)
class Table:
    """A table with what a reader must know to trust it."""

    title: str
    note: str
    rows: Sequence[Row]

    def show(self, console: Console) -> None:
        """Print the table; a value takes up to three columns: paper, measured and difference."""
        shown = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, title=for_terminal(self.title), title_justify="left")
        shown.add_column("", no_wrap=True)
        before = ""
        for column, part in self.headings():
            heading = Text(f"{printable(column) if column != before else ''}\n{part}")
            shown.add_column(heading, justify="right", no_wrap=True)
            before = column
        for label, texts in self.texts():
            shown.add_row(*map(for_terminal, (label, *texts)))
        console.print(shown)
        console.print(for_terminal(self.note))
        console.print()

    def headings(self) -> list[tuple[str, str]]:
        """Return (column, "paper" | "measured" | "diff") of everything there is to show."""
        return [(cell.column, part) for cell in self.rows[0].cells for part in self._parts(cell.column)]

    def texts(self) -> list[tuple[str, list[str]]]:
        """Return each row's label and its texts under `headings`."""
        return [(row.label, [text for cell in row.cells for text in self._texts(cell)]) for row in self.rows]

    def _parts(self, column: str) -> list[str]:
        """Return the sub-columns that have anything to show."""
        cells = [cell for row in self.rows for cell in row.cells if cell.column == column]
        shown = {
            "paper": any(cell.paper is not None for cell in cells),
            "measured": any(cell.measured is not None or cell.absent != "-" for cell in cells),
            "diff": any(cell.difference is not None for cell in cells),
        }
        return [part for part, present in shown.items() if present]

    def _texts(self, cell: Cell) -> list[str]:
        texts = {
            "paper": "-" if cell.paper is None else str(cell.paper),
            "measured": cell.absent if cell.measured is None else f"{cell.measured:,.{cell.digits}f}{cell.detail}",
            "diff": "-" if cell.difference is None else _signed(cell.difference) + " =" * cell.rounds_to_paper,
        }
        return [texts[part] for part in self._parts(cell.column)]

    def as_json(self) -> dict[str, Any]:
        """Return the table as plain data; values unrounded, differences as shares."""
        return {
            "title": self.title,
            "note": self.note,
            "rows": [
                {
                    "label": row.label,
                    "cells": [
                        {
                            "column": cell.column,
                            "paper": cell.paper,
                            "measured": cell.measured,
                            "difference": cell.difference,
                            "rounds_to_paper": cell.rounds_to_paper,
                        }
                        for cell in row.cells
                    ],
                }
                for row in self.rows
            ],
        }


def _signed(share: float) -> str:
    """Return a share in percent with its sign, and none where it rounds to zero."""
    text = f"{share:+.1%}"
    return "0.0%" if text in ("+0.0%", "-0.0%") else text


def wide_console() -> Console:
    """Return a console for tables on stdout that neither wraps nor cuts their lines when it is no terminal."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=240)
