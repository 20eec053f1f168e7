"""Figures 1 and 4 with dots of our own: what is kept by task, and scores against speed or size.

The paper's dots are hollow and its data is another; no dot of one compares with one of the other.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import NamedTuple

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bench.records.scores import ScoreRecord
from bench.reporting import paper
from bench.reporting import paper_scores as printed
from bench.reporting.plot_style import (
    COLOURS,
    OTHER,
    STAGE_COLOURS,
    STYLE,
    as_svg,
    legend_above,
    make_figure,
    plain_numbers,
)

SPEED_TASKS = ("caption", "vqa")
"""Of Figure 4."""
PYTORCH_ROW = "pytorch fp32"
"""What artifacts are held against, as bench/accuracy.py calls it."""
PAPER_S = "MiniVLM of OSCAR_B (the paper's, 27 % of the parameters, 1 % of the multiply-adds)"
ASIDE = 1.03
"""How far a dot stands beside one of the same size."""
METRIC = {"caption": "CIDEr", "vqa": "accuracy"}


def score_pictures(records: Sequence[ScoreRecord]) -> dict[str, str]:
    """Return SVG by title; nothing where nothing was scored."""
    if not records:
        return {}
    figures = {
        "Scores that are kept (Figure 1)": kept_picture(records),
        "Scores against speed or size (Figure 4)": trade_off_picture(records),
    }
    return {title: as_svg(figure) for title, figure in figures.items()}


def kept_picture(records: Sequence[ScoreRecord]) -> Figure:
    """Figure 1: what MiniVLM keeps of OSCAR_B's score, and what artifacts keep of their model's in PyTorch."""
    kept: dict[str, dict[str, float]] = {}
    whole = {one.model: one.bytes for one in records if one.row == PYTORCH_ROW}
    for one in records:
        if one.kept is not None:
            size, of = one.bytes, whole.get(one.model)
            share = f", {100 * size / of:.0f} % of the bytes" if size and of else ""
            kept.setdefault(f"{one.row} of {one.model} in PyTorch (measured{share})", {})[one.task] = 100 * one.kept
    tasks = list(dict.fromkeys((*printed.FIGURE_1, *(task for shares in kept.values() for task in shares))))
    with matplotlib.rc_context(STYLE):
        figure, axes = make_figure(9.0, 1.6 + 0.45 * len(tasks))
        shares = [100 * ours / theirs for ours, theirs in printed.FIGURE_1.values()]
        rows = [tasks.index(task) for task in printed.FIGURE_1]
        axes.scatter(shares, rows, s=60, facecolor="white", edgecolor="black", zorder=3)
        handles = [Line2D([], [], marker="o", ls="", mfc="white", color="black", label=PAPER_S)]
        for place, (name, by_task) in enumerate(kept.items()):
            colour = COLOURS.get(name.partition(" ")[0], OTHER)
            aside = 0.12 * (place + 1)  # so that what keeps as much does not cover each other
            marker = "sD^vP*"[place % 6]
            axes.scatter(
                list(by_task.values()), [tasks.index(task) + aside for task in by_task], color=colour, marker=marker
            )
            handles.append(Line2D([], [], marker=marker, ls="", color=colour, label=name))
        axes.set_yticks(range(len(tasks)), tasks)
        axes.invert_yaxis()
        axes.set(xlabel="share of the score that is kept (%)")
        axes.grid(alpha=0.3)
        legend_above(axes, handles, ncols=1)
    return figure


def trade_off_picture(records: Sequence[ScoreRecord]) -> Figure:
    """Figure 4: scores against time, the paper's to the left and ours to the right; without times against size."""
    timed = any(one.latency_ms is not None for one in records)
    ours: dict[str, dict[str, tuple[float, ScoreRecord]]] = {}
    for one in records:
        x = one.latency_ms if timed else None if one.bytes is None else one.bytes / 1e6
        if x is not None and one.task in SPEED_TASKS:
            ours.setdefault(one.task, {})[f"{one.row}, {one.model}"] = (x, one)
    looks = {name: _look(name, place) for place, name in enumerate(dict.fromkeys(chain(*ours.values())))}
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(10.0, 7.0), layout="constrained")
        axes = figure.subplots(len(SPEED_TASKS), 2, squeeze=False)
        for row, task in enumerate(SPEED_TASKS):
            _paper_dots(axes[row][0], row, task)
            _our_dots(axes[row][1], ours.get(task, {}), looks, METRIC[task])
            axes[row][1].set_xlabel("median latency (ms)" if timed else "weights (MB), equal ones side by side")
        handles = [
            Line2D([], [], ls="", label=name, color=look.colour, marker=look.marker) for name, look in looks.items()
        ]
        if handles:
            figure.legend(handles=handles, loc="outside lower right", ncols=2, frameon=False, fontsize=9)
    return figure


class _Look(NamedTuple):
    colour: str
    marker: str


def _look(name: str, place: int) -> _Look:
    """Return the colour of a runtime, or one of its own for a model in PyTorch, and a marker."""
    colour = COLOURS.get(name.partition(" ")[0], STAGE_COLOURS[place % len(STAGE_COLOURS)])
    return _Look(colour, "osD^vP*"[place % 7])


def _paper_dots(axes: Axes, place: int, task: str) -> None:
    for model, scores in printed.FIGURE_4.items():
        point = (paper.LATENCY_MS[model], scores[place])
        axes.scatter(*point, s=60, facecolor="white", edgecolor="black", zorder=3)
        axes.annotate(model, point, xytext=(7, 0), textcoords="offset points", va="center", fontsize=9)
    axes.set(xlabel="transformer, a caption (ms), the paper's CPU", ylabel=f"{task}: {METRIC[task]}")
    axes.set_title("the paper's, COCO and VQA 2.0", fontsize=10, loc="left")
    axes.grid(alpha=0.3)
    axes.margins(0.3)


def _our_dots(
    axes: Axes, points: Mapping[str, tuple[float, ScoreRecord]], looks: Mapping[str, _Look], metric: str
) -> None:
    data = ", ".join(dict.fromkeys(one.data for _, one in points.values()))
    axes.set_title(f"measured, {data}" if points else "not measured yet", fontsize=10, loc="left")
    taken: Counter[float] = Counter()
    for name, (x, one) in points.items():
        value = 100 * one.values.get(metric, one.score)
        arms = [[100 * max(one.score - one.low, 0.0)], [100 * max(one.high - one.score, 0.0)]]
        axes.errorbar(
            x * ASIDE ** taken[x], value, yerr=arms, capsize=3, color=looks[name].colour, marker=looks[name].marker
        )
        taken[x] += 1
    if points:
        axes.set(xscale="log")
        plain_numbers(axes.xaxis)
    else:
        axes.set(xticks=[], yticks=[])
    axes.grid(alpha=0.3)
    axes.margins(0.2)
