"""Tables 3, 6, 7 and 8: the paper's accuracies, and beside them what was measured here, on other data.

Measured are the rows of `bench/ingredients.py`. A row of ours stands in the paper's row that has the same ingredients;
what a column of ours is called says that its data is not the paper's.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from bench.records.scores import ScoreRecord, read_scores
from bench.reporting import paper_scores as paper
from bench.reporting.cells import Cell, Row, Table
from bench.reporting.markdown import table_lines

BLIND, BASELINE, HIGH, DISTILLED = "no picture", "baseline", "+ H", "+ H + DD"
"""Names of our rows: see `bench/ingredients.py`."""
COUNTERPARTS: Mapping[str, str] = {"+ O + H": HIGH, "+ O + H + DD (MiniVLM)": DISTILLED, "MiniVLM": DISTILLED}
"""Row of the paper -> ours, where they are called otherwise. Ours has no Objects365, the paper's O."""
METRICS: Mapping[str, tuple[str, str]] = {
    **{name: ("caption", name) for name in ("BLEU-4", "METEOR", "CIDEr", "SPICE")},
    "VQA accuracy": ("vqa", "accuracy"),
    "NLVR2 accuracy": ("nlvr2", "accuracy"),
    **{name: ("retrieval", name) for name in paper.TABLE_8_COLUMNS},
}
"""Column -> our task and metric."""
MEANS = ("CIDEr", "accuracy")
"""Metrics that are means of the score by which examples are compared, whose interval a record has."""
DATA = (
    "The paper's: COCO, VQA 2.0 and NLVR2. Measured: {data}; no number of one compares with one of the other. In"
    " brackets: what holds 95 % of resamples of the examples."
)
NOTHING = "nothing yet: python bench/ingredients.py"

Found = Mapping[tuple[str, str], ScoreRecord]
"""By row and task."""


def accuracy_tables(records: Iterable[ScoreRecord]) -> list[Table]:
    """Return Tables 3, 6, 7 and 8.

    Args:
        records: Of whatever was measured; of several of a row and task the last counts.
    """
    ours = [one for one in records if one.row in (BLIND, BASELINE, HIGH, DISTILLED)]
    found = {(one.row, one.task): one for one in ours}
    note = DATA.format(data=_described(ours))
    six = "Table 6. Captioning, cross-entropy"
    vqa_nlvr2 = ("VQA accuracy", "NLVR2 accuracy")
    return [
        _table("Table 3. What the ingredients of pre-training add", note, paper.TABLE_3_COLUMNS, paper.TABLE_3, found),
        _table(six, note, paper.TABLE_6_COLUMNS, paper.TABLE_6, found),
        _table("Table 6. Captioning, CIDEr optimisation", note, paper.TABLE_6_COLUMNS, paper.TABLE_6_CIDER, {}),
        _table("Table 7. VQA and NLVR2", note, paper.TABLE_7_COLUMNS, paper.TABLE_7, found, vqa_nlvr2),
        _table("Table 8. Retrieval, the paper's 1K set", note, paper.TABLE_8_COLUMNS, paper.TABLE_8_1K, found),
        _table("Table 8. Retrieval, the paper's 5K set", note, paper.TABLE_8_COLUMNS, paper.TABLE_8_5K, {}),
    ]


def score_table(records: Sequence[ScoreRecord]) -> Table | None:
    """Return a line for every row of whatever was scored, with the intervals; None where nothing was."""
    tasks = list(dict.fromkeys(one.task for one in records))
    rows: dict[tuple[str, str, str], dict[str, ScoreRecord]] = {}
    for one in records:
        rows.setdefault((one.row, one.model, one.data), {})[one.task] = one
    if not rows:
        return None
    return Table(
        "Scores, times 100",
        "Means of the score by which minivlm evaluate compare compares examples, with the interval that holds 95 % of"
        " resamples.",
        [
            Row(f"{row}, {model}, {data}", [_interval(task, said.get(task)) for task in tasks])
            for (row, model, data), said in rows.items()
        ],
    )


def page_table(path: Path) -> list[str]:
    """Return the lines of a page's table: each row of a file of records with its scores, and what was scored.

    Raises:
        UserError: The file cannot be read.
    """
    records = read_scores(path)
    rows: dict[str, dict[str, str]] = {}
    for one in records:
        rows.setdefault(one.row, {})[one.task] = f"{100 * one.score:.1f}{_ends(one)}"
    tasks = list(dict.fromkeys(one.task for one in records))
    cells = [{"": row} | {task: said.get(task, "") for task in tasks} for row, said in rows.items()]
    return [*table_lines(cells), "", f"{_described(records)}."]


def _interval(task: str, record: ScoreRecord | None) -> Cell:
    if record is None:
        return Cell(task)
    return Cell(task, None, 100 * record.score, detail=_ends(record))


def _ends(record: ScoreRecord) -> str:
    """Return a score's interval, times 100, as it stands behind the score."""
    return f" ({100 * record.low:.1f} to {100 * record.high:.1f})"


def _described(records: Sequence[ScoreRecord]) -> str:
    if not records:
        return NOTHING
    names = "; ".join(dict.fromkeys(f"{one.model} on {one.data}" for one in records))
    seeds = "; ".join(dict.fromkeys(f"{one.seeds} training{'s' * (one.seeds > 1)} a row" for one in records))
    counts = ", ".join(f"{task} {count:,}" for task, count in {one.task: one.examples for one in records}.items())
    return f"{names}, {seeds}, examples: {counts}"


def _table(
    title: str,
    note: str,
    columns: Sequence[str],
    printed: Mapping[str, paper.Values],
    found: Found,
    extra: Sequence[str] = (),
) -> Table:
    """Return a table whose columns have the paper's value and, where it is the same metric, ours.

    Args:
        title: Of the table.
        note: Below it.
        columns: Of the paper.
        printed: Row -> values.
        found: What was measured.
        extra: Columns of our own.
    """
    rows = []
    taken = set()
    for label, values in printed.items():
        name = COUNTERPARTS.get(label, label)
        ours = {task: record for (row, task), record in found.items() if row == name}
        taken.add(name)
        rows.append(_row(label, columns, values, extra, ours))
    for name in dict.fromkeys(row for row, _ in found if row not in taken):
        ours = {task: record for (row, task), record in found.items() if row == name}
        rows.append(_row(f"{name} (ours only)", columns, (None,) * len(columns), extra, ours))
    return Table(title, note, rows)


def _row(
    label: str,
    columns: Sequence[str],
    values: paper.Values,
    extra: Sequence[str],
    ours: Mapping[str, ScoreRecord],
) -> Row:
    cells = [_cell(column, value, ours) for column, value in zip(columns, values, strict=True)]
    return Row(label, [*cells, *(_cell(column, None, ours) for column in extra)])


def _cell(column: str, value: float | None, ours: Mapping[str, ScoreRecord]) -> Cell:
    task, metric = METRICS.get(column, ("", ""))
    record = ours.get(task)
    if record is None or metric not in record.values:
        return Cell(column, value, comparable=False)
    interval = _ends(record) if metric in MEANS else ""
    return Cell(column, value, 100 * record.values[metric], detail=interval, comparable=False)
