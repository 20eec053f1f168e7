"""The retention table and its picture: scores, what is kept of the reference's, size and latency."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.table import Table

from bench.records.media import for_terminal
from bench.reporting.cells import wide_console
from bench.reporting.plot_style import COLOURS, OTHER, STYLE, make_figure
from bench.scores.latencies import Latency
from export.verify.scores import FLOOR, HEADLINES, PYTORCH, Candidate, Runner, Score
from minivlm.errors import printable
from minivlm.evaluation.bootstrap import Difference


@dataclass(frozen=True, kw_only=True)
class ScoredRow:
    """All that is known of a candidate.

    Attributes:
        candidate: What was scored.
        scores: Task -> score.
        latency: From records of bench/run.py; None where there are none.
    """

    candidate: Candidate
    scores: Mapping[str, Score]
    latency: Latency | None = None

    @property
    def latency_ms(self) -> float | None:
        """Median from a photo to a caption, of a detector alone to its regions."""
        return None if self.latency is None else self.latency.ms

    @property
    def least_kept(self) -> float:
        """The smallest share that it keeps of a task's score, of those that the reference has any of; else 1."""
        kept = [one.kept.share for one in self.scores.values() if one.kept is not None]
        return min((share for share in kept if share is not None), default=1.0)

    def as_json(self) -> dict[str, Any]:
        """Return the row as plain data, unrounded; a share of nothing is null."""
        return {
            "name": self.candidate.name,
            "artifact": None if self.candidate.artifact is None else self.candidate.artifact.name,
            "sha256": self.candidate.sha256,
            "bytes": self.candidate.bytes,
            "latency_ms": self.latency_ms,
            "tasks": {
                task: {
                    "examples": one.outcome.examples,
                    "values": dict(one.outcome.values),
                    **({} if one.kept is None else _kept(one.kept)),
                }
                for task, one in self.scores.items()
            },
        }


def _kept(kept: Difference) -> dict[str, Any]:
    return {
        "kept": {"value": kept.share, "low": kept.low_share, "high": kept.high_share},
        "difference": {"value": kept.mean, "low": kept.low, "high": kept.high},
    }


def show(rows: Sequence[ScoredRow], reference: Runner, notes: Sequence[str], *, data: str) -> None:
    """Print the table, and what must be known to trust it.

    Args:
        rows: The reference's first.
        reference: The model in PyTorch.
        notes: Of the pictures.
        data: Name of the data.
    """
    examples = {task: one.outcome.examples for task, one in rows[0].scores.items()}
    counted = ", ".join(f"{task} {count:,}" for task, count in examples.items())
    made = printable(reference.origin.description)
    print(f"{reference.model}, {made}, on {printable(data)}; examples: {counted}; scores times 100")
    wide_console().print(retention_table(rows))
    for task, one in rows[0].scores.items():
        if one.headline == 0.0:
            print(f"note: {reference.model} itself scores nothing in {task}: there is nothing to keep", file=sys.stderr)
    said = [note for row in rows for one in row.scores.values() for note in one.outcome.notes]
    for note in dict.fromkeys((*said, *notes)):
        print(f"note: {printable(note)}", file=sys.stderr)
    if reference.origin.random:
        print("weights are random: scores mean nothing", file=sys.stderr)


def retention_table(rows: Sequence[ScoredRow]) -> Table:
    """Return a line for each candidate; shares with the interval that holds 95 % of resamples."""
    table = Table(box=None, pad_edge=False)
    table.add_column("", no_wrap=True)
    timed = any(row.latency_ms is not None for row in rows)
    for heading in ("MB", *(["ms"] if timed else []), *(f"{task}\n{HEADLINES[task]}" for task in rows[0].scores)):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        size = "" if row.candidate.bytes is None else f"{row.candidate.bytes / 1e6:.1f}"
        time = "not measured" if row.latency_ms is None else f"{row.latency_ms:.1f}"
        cells = [score_cell(one) for one in row.scores.values()]
        table.add_row(*map(for_terminal, (row.candidate.name, size, *([time] if timed else []), *cells)))
    return table


def score_cell(score: Score) -> str:
    """Return a score, times 100, and what is kept of the reference's."""
    shown = f"{100.0 * score.headline:.1f}"
    if score.kept is None:
        return shown
    kept = score.kept
    if kept.share is None or kept.low_share is None or kept.high_share is None:
        return f"{shown}  {100.0 * kept.mean:+.1f}"
    share, low, high = (f"{100.0 * part:.1f}" for part in (kept.share, kept.low_share, kept.high_share))
    return f"{shown}  {share} % ({low} to {high})"


def retention_picture(rows: Sequence[ScoredRow]) -> Figure | None:
    """Return a picture of the smallest share kept against latency, or size where latencies are not known.

    None where there is no artifact.
    """
    timed = all(row.latency_ms is not None for row in rows)
    drawn = [row for row in rows if timed or row.candidate.bytes is not None]
    if not any(row.candidate.artifact is not None for row in drawn):
        return None
    dots = [
        Dot(
            runtime=row.candidate.name.partition(" ")[0],
            precision=row.candidate.name.partition(" ")[2],
            x=(row.latency_ms if timed else (row.candidate.bytes or 0) / 1e6) or 0.0,
            y=100.0 * row.least_kept,
        )
        for row in drawn
    ]
    with matplotlib.rc_context(STYLE):
        figure, axes = make_figure(8.0, 5.0)
        for runtime in dict.fromkeys(dot.runtime for dot in dots):
            own = [dot for dot in dots if dot.runtime == runtime]
            places = [dot.x for dot in own], [dot.y for dot in own]
            axes.scatter(*places, color=COLOURS.get(runtime, OTHER), s=45, zorder=3, label=runtime)
        axes.margins(0.15)
        axes.axhline(100.0 * FLOOR, color=OTHER, lw=0.8, ls="--")
        axes.set(xlabel="median latency (ms)" if timed else "artifact (MB)")
        axes.set_ylabel(f"least share of a task's score kept (% of {PYTORCH})")
        axes.grid(alpha=0.3)
        axes.legend(loc="lower right")
        _name_dots(axes, dots)
    return figure


@dataclass(frozen=True)
class Dot:
    """An artifact in the picture."""

    runtime: str
    precision: str
    x: float
    y: float


def _name_dots(axes: Axes, dots: Sequence[Dot]) -> None:
    """Write a dot's precision beside it, or one line lower for each dot at the same place that has a name already."""
    line, named = 11.0, list[tuple[float, float]]()
    for dot in dots:
        place = tuple(axes.transData.transform((dot.x, dot.y)) * 72.0 / axes.figure.dpi)  # points
        taken = sum(abs(place[0] - x) < 3 * line and abs(place[1] - y) < line for x, y in named)
        named.append((place[0], place[1]))
        axes.annotate(
            dot.precision,
            (dot.x, dot.y),
            xytext=(7, -line * taken),
            textcoords="offset points",
            va="center",
            fontsize=9,
            color=COLOURS.get(dot.runtime, OTHER),
        )
