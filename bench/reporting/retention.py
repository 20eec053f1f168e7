"""What artifacts keep, as a table of a page: shares of PyTorch's scores, from the records of bench/retention.py."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.records.media import for_markdown
from bench.records.scores import ScoreRecord, read_scores
from bench.reporting.markdown import TITLES, Cells, table_lines
from export.verify.scores import HEADLINES, PYTORCH
from minivlm.errors import UserError

SHORT = 12
"""Digits of a hash that are shown, as in model cards."""

Row = Mapping[str, ScoreRecord]
"""Task -> what a model or an artifact scores in it."""


def retention_of_first(path: Path) -> list[str]:
    """Return the table of the data that the records have first, and what to know of it.

    Raises:
        UserError: See `retention_of_all`.
    """
    return _of_data(next(iter(_by_data(path).values())))


def retention_of_all(path: Path) -> list[str]:
    """Return a table for each data set.

    Raises:
        UserError: The file cannot be read, is empty, or its records are of several weights or not of one checkpoint's;
            or PyTorch's own scores are not there.
    """
    tables = [_of_data(rows) for rows in _by_data(path).values()]
    return [line for number, table in enumerate(tables) for line in (*[""] * (number > 0), *table)]


def weights_of(path: Path) -> str:
    """Return the hash of the checkpoint's weights that a file of records is of.

    Raises:
        UserError: See `retention_of_all`.
    """
    return str(_of_one_checkpoint(path)[0].sha256)


def _of_one_checkpoint(path: Path) -> list[ScoreRecord]:
    records = read_scores(path)
    digests = {record.sha256 for record in records}
    if len(digests) != 1 or None in digests:
        raise UserError(f"{path} must hold records of one checkpoint's weights: make it by python bench/retention.py")
    return records


def _by_data(path: Path) -> Mapping[str, Mapping[str, Row]]:
    """Return, by the data's name, the rows by their names."""
    found: dict[str, dict[str, dict[str, ScoreRecord]]] = {}
    for record in _of_one_checkpoint(path):
        found.setdefault(record.data, {}).setdefault(record.row, {})[record.task] = record
    for data, rows in found.items():
        if PYTORCH not in rows:
            raise UserError(f"{path} has no scores of {PYTORCH} on {data}: make it by python bench/retention.py")
    return found


def _of_data(rows: Mapping[str, Row]) -> list[str]:
    """Return what was scored and the table, the reference's line first."""
    tasks = list(rows[PYTORCH])
    lines = [(PYTORCH, rows[PYTORCH]), *((name, row) for name, row in rows.items() if name != PYTORCH)]
    timed = list(dict.fromkeys(one.timed for _, row in lines for one in row.values() if one.timed is not None))
    return [*_facts(rows[PYTORCH], timed), "", *table_lines([_cells(name, row, tasks, timed) for name, row in lines])]


def _facts(reference: Row, timed: Sequence[str]) -> list[str]:
    """Say in lines of their own what all scores are of, and where times were taken."""
    first = next(iter(reference.values()))
    counts = ", ".join(f"{task} {one.examples:,}" for task, one in reference.items())
    said = [
        f"`{first.model}` with the weights `{str(first.sha256)[:SHORT]}` on `{first.data}`.",
        f"Examples: {counts}.",
    ]
    if timed:
        said.append(f"Times: {for_markdown('; '.join(timed))}.")
    return said


def _cells(name: str, row: Row, tasks: Sequence[str], timed: Sequence[str]) -> Cells:
    """Return a line; columns of times are there where anything was timed."""
    runtime, _, precision = name.partition(" ")
    first = next(iter(row.values()))
    cells = {
        "": f"{TITLES.get(runtime, runtime)} {precision}",
        "MB": "" if first.bytes is None else f"{first.bytes / 1e6:.1f}",
        **{_heading(task): _score(row.get(task)) for task in tasks},
    }
    if timed:
        cells["ms"] = "not measured" if first.latency_ms is None else f"{first.latency_ms:.0f}"
    return cells


def _heading(task: str) -> str:
    """Return a metric's name, with the task's where several have one of that name."""
    metric = HEADLINES[task]
    return f"{task.upper()} {metric}" if metric == "accuracy" else metric


def _score(record: ScoreRecord | None) -> str:
    """Return the reference's own score times 100, or the share of it that is kept, with its interval."""
    if record is None:
        return ""
    if record.row == PYTORCH or record.kept is None:
        return f"{100.0 * record.values[HEADLINES[record.task]]:.1f}"
    share = f"{100.0 * record.kept:.1f} %"
    if record.kept_low is None or record.kept_high is None:
        return share
    low, high = f"{100.0 * record.kept_low:.1f}", f"{100.0 * record.kept_high:.1f}"
    return share if low == high else f"{share} ({low} to {high})"
