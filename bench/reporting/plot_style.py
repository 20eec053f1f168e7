"""How every picture looks: colours, legends, plain numbers on logarithmic axes, names that do not cover each other."""

import io
import re
from collections.abc import Mapping, Sequence
from itertools import count
from types import MappingProxyType
from typing import Any

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bench.records.record import Case
from bench.records.runtimes import default_place

COLOURS: Mapping[str, str] = MappingProxyType(
    {
        "pytorch": "#D55E00",
        "pytorch-compiled": "#E69F00",
        "executorch": "#0072B2",
        "onnx": "#009E73",
        "litert": "#CC79A7",
        "coreml": "#56B4E9",
    }
)
"""Okabe and Ito's, which colour-blind people tell apart."""
OTHER = "#777777"
STAGE_COLOURS = ("#4C72B0", "#DD8452", "#55A868", "#C44E52", "#8172B3", "#937860", "#DA8BC3")
STYLE: Any = {
    "font.size": 10.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.fonttype": "path",
    "svg.hashsalt": "bench",
    "text.parse_math": False,
}
ILLEGAL = re.compile(r"[^\t\n\r -~\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML cannot hold, and control characters that it should not."""
LETTER, LINE, DOT = 5.8, 11.0, 4.0
"""Width of a letter, height of a line and radius of a dot in points."""


def as_svg(figure: Figure) -> str:
    """Return a picture as an SVG element."""
    text = io.StringIO()
    figure.savefig(text, format="svg", bbox_inches="tight", metadata={"Date": None})
    drawn = ILLEGAL.sub("?", text.getvalue())  # names are repeated in comments
    return drawn[drawn.index("<svg") :]


def make_figure(width: float, height: float) -> tuple[Figure, Axes]:
    """Return an empty picture of so many inches."""
    figure = Figure(figsize=(width, height))
    return figure, figure.add_subplot()


def plain_numbers(*axes: Axis) -> None:
    """Label logarithmic axes with plain numbers."""
    for axis in axes:
        axis.set_major_formatter(lambda value, _: f"{value:g}")
        axis.set_minor_formatter(lambda value, _: f"{value:g}" if f"{value:e}"[0] in "25" else "")


def colour_of(key: Case) -> str:
    """Return the colour of a case's runtime."""
    return COLOURS.get(key.runtime, OTHER)


def runtime_legend(axes: Axes, keys: Mapping[Case, Any]) -> None:
    """Say which colour is which of the runtimes that are drawn."""
    runtimes = [runtime for runtime in COLOURS if runtime in {key.runtime for key in keys}]
    legend_above(
        axes, [Line2D([], [], marker="o", ls="", color=COLOURS[runtime], label=runtime) for runtime in runtimes]
    )


def legend_above(axes: Axes, handles: Sequence[Any], ncols: int = 4) -> None:
    """Put the legend above the picture, where nothing is drawn."""
    axes.legend(handles=handles, loc="lower left", bbox_to_anchor=(0.0, 1.01), ncols=ncols, frameon=False, fontsize=9)


def name_points(axes: Axes, points: Mapping[Case, tuple[float, float]]) -> None:
    """Name each model once, beside its rightmost point; names move up or down until none lies on another."""
    several = len({key.precision for key in points}) > 1
    named: dict[str, tuple[float, float]] = {}
    for key, point in points.items():
        place = key.accelerator if key.accelerator != default_place(key.runtime) else ""
        name = ", ".join(filter(None, (key.model, key.precision if several else "", place)))
        named[name] = max(named.get(name, point), point)
    dots = axes.transData.transform(list(points.values())) * 72.0 / axes.figure.dpi
    placed = [(x - DOT, x + DOT, y) for x, y in dots]  # left, right and middle in points; names avoid dots too
    for name, point in sorted(named.items(), key=lambda item: item[1][1]):
        x, y = axes.transData.transform(point) * 72.0 / axes.figure.dpi
        left, right = x + 2.0 * DOT, x + 2.0 * DOT + LETTER * len(name)
        steps = (sign * step * LINE for step in count() for sign in (1, -1))
        offset = next(
            step
            for step in steps
            if all(right < other[0] or left > other[1] or abs(y + step - other[2]) >= LINE for other in placed)
        )
        placed.append((left, right, y + offset))
        arrow = {"arrowstyle": "-", "color": OTHER, "lw": 0.5} if offset else None
        axes.annotate(
            name,
            point,
            xytext=(2.0 * DOT, offset),
            textcoords="offset points",
            va="center",
            fontsize=9,
            arrowprops=arrow,
        )
