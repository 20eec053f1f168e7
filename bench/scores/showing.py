"""The retention table and its picture: scores, what is kept of the reference's, size and latency."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
from matplotlib.figure import Figure
from rich.table import Table

from bench.records.media import for_terminal
from bench.reporting.plot_style import COLOURS, OTHER, STYLE, make_figure, plain_numbers
from export.verify.scores import HEADLINES, PYTORCH, Candidate, Score
from minivlm.evaluation.bootstrap import Difference


@dataclass(frozen=True, kw_only=True)
class ScoredRow:
    """All that is known of a candidate.

    Attributes:
        candidate: What was scored.
        scores: Task -> score.
        latency_ms: Median from a photo to a caption, from records of bench/run.py; None where there are none.
    """

    candidate: Candidate
    scores: Mapping[str, Score]
    latency_ms: float | None

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


def retention_table(rows: Sequence[ScoredRow]) -> Table:
    """Return a line for each candidate; shares with the interval that holds 95 % of resamples."""
    table = Table(box=None, pad_edge=False)
    table.add_column("", no_wrap=True)
    for heading in ("MB", "ms", *(f"{task}\n{HEADLINES[task]}" for task in rows[0].scores)):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        size = "" if row.candidate.bytes is None else f"{row.candidate.bytes / 1e6:.1f}"
        time = "not measured" if row.latency_ms is None else f"{row.latency_ms:.1f}"
        cells = [score_cell(one) for one in row.scores.values()]
        table.add_row(*map(for_terminal, (row.candidate.name, size, time, *cells)))
    return table


def score_cell(score: Score) -> str:
    """Return a score, times 100, and what is kept of the reference's."""
    shown = f"{100.0 * score.headline:.1f}"
    if score.kept is None:
        return shown
    kept = score.kept
    if kept.share is None or kept.low_share is None or kept.high_share is None:
        return f"{shown}  {100.0 * kept.mean:+.1f}"
    return f"{shown}  {kept.share:.1%} ({kept.low_share:.1%} to {kept.high_share:.1%})"


def retention_picture(rows: Sequence[ScoredRow]) -> Figure | None:
    """Return a picture of the smallest share kept against latency, or size where latencies are not known.

    None where there is no artifact.
    """
    timed = all(row.latency_ms is not None for row in rows)
    drawn = [row for row in rows if timed or row.candidate.bytes is not None]
    if not any(row.candidate.artifact is not None for row in drawn):
        return None
    with matplotlib.rc_context(STYLE):
        figure, axes = make_figure(8.0, 5.0)
        for row in drawn:
            x = (row.latency_ms if timed else (row.candidate.bytes or 0) / 1e6) or 0.0
            runtime = row.candidate.name.partition(" ")[0]
            axes.scatter(x, 100.0 * row.least_kept, color=COLOURS.get(runtime, OTHER), s=45, zorder=3)
            axes.annotate(
                row.candidate.name,
                (x, 100.0 * row.least_kept),
                xytext=(7, 0),
                textcoords="offset points",
                va="center",
                fontsize=9,
            )
        axes.axhline(97.0, color=OTHER, lw=0.8, ls="--")
        axes.set(xscale="log", xlabel="median latency (ms)" if timed else "artifact (MB)")
        axes.set_ylabel(f"least share of a task's score kept (% of {PYTORCH})")
        plain_numbers(axes.xaxis)
        axes.grid(alpha=0.3)
        axes.margins(0.2)
    return figure
