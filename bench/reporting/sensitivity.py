"""What rounding each block costs and gains, as tables of a page: from the files of export/sensitivity.py."""

from collections.abc import Sequence
from pathlib import Path

from bench.reporting.markdown import TITLES, Cells, table_lines
from export.flow.trials import ENDING, EVERYTHING, FLOAT, TABLE, Findings, rows


def kept_findings(folder: Path) -> list[Findings]:
    """Return all that a folder keeps, by name.

    Raises:
        UserError: A file cannot be read, or is something else.
    """
    return [Findings.read(path) for path in sorted(folder.glob(f"*{ENDING}"))]


def sensitivity_tables(folder: Path) -> list[str]:
    """Return for each file of a folder what was tried, and the table.

    Raises:
        UserError: A file cannot be read, or is something else.
    """
    kept = kept_findings(folder)
    if not kept:
        return table_lines([])
    tables = [[*_facts(found), "", *table_lines(_cells(found), words=("", "rounded"))] for found in kept]
    return [line for number, table in enumerate(tables) for line in (*[""] * (number > 0), *table)]


def _facts(found: Findings) -> list[str]:
    """Say in lines of their own what was rounded, and what it was judged by."""
    said = [f"`{found.model}` in {TITLES.get(found.runtime, found.runtime)} {found.precision}:", ""]
    said.append(f"    {found.command}")
    scoring = found.scoring
    if scoring is not None:
        counts = ", ".join(f"{task} {count:,}" for task, count in scoring.examples.items())
        said += ["", f"Examples of `{scoring.data}`: {counts}."]
    return said


def _cells(found: Findings) -> Sequence[Cells]:
    return [line | {"rounded": _name(line["rounded"])} for line in rows(found.trials)]


def _name(trial: str) -> str:
    """Return the name of a trial in Markdown."""
    if trial == TABLE:
        return f"**{trial}**"
    if trial in (FLOAT, EVERYTHING):
        return trial
    more = "+ " if trial.startswith("+ ") else ""
    return f"{more}`{trial.removeprefix(more)}`"
