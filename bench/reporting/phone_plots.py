"""Latency by phone and accelerator, as SVG. Colours stand for runtimes, hatches for accelerators."""

from collections.abc import Sequence

import matplotlib
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from bench.records.conditions import machine
from bench.records.record import Record
from bench.records.repeats import Repeats
from bench.reporting.phones import phone_names, place_of, sides
from bench.reporting.plot_style import STYLE, as_svg, colour_of, legend_above, make_figure

HATCHES = {"cpu": "", "gpu": "////", "npu": "xxxx", "all": "...."}


def phone_pictures(records: Sequence[Record]) -> dict[str, str]:
    """Return SVG by title, one for each table of `bench.reporting.phones.sides`."""
    with matplotlib.rc_context(STYLE):
        return {
            f"{title}, latency by phone and accelerator": as_svg(_picture(found))
            for title, found in sides(records).items()
        }


def _picture(found: Sequence[Repeats]) -> Figure:
    """Draw a bar for each measurement, those of a phone together."""
    names = phone_names(found)
    figure, axes = make_figure(9.0, 1.6 + 0.32 * len(found) + 0.3 * len(names))
    row, ticks, labels = 0.0, [], []
    for setting, name in names.items():
        here = sorted((r for r in found if tuple(machine(r.records[0])) == setting), key=place_of)
        for repeats in here:
            _, precision, accelerator, method, threads = place_of(repeats)
            axes.barh(
                row, repeats.median, xerr=repeats.spread, height=0.8, color=colour_of(repeats.case),
                hatch=HATCHES.get(accelerator, ""), edgecolor="white",
            )  # fmt: skip
            axes.annotate(f" {repeats.median:.3g} ms", (repeats.median + repeats.spread, row), va="center", fontsize=9)
            ticks.append(row)
            labels.append(", ".join([name, precision, accelerator, *filter(None, [method]), f"{threads} thr."]))
            row += 1.0
        row += 0.6
    axes.set_yticks(ticks, labels)
    axes.invert_yaxis()
    axes.margins(x=0.15)
    axes.set(xlabel="median latency of a run (ms), with half the interquartile range", xlim=(0.0, None))
    runtimes = {repeats.case.runtime: colour_of(repeats.case) for repeats in found}
    used = dict.fromkeys(place_of(repeats)[2] for repeats in found)
    handles = [Patch(color=colour, label=runtime) for runtime, colour in runtimes.items()]
    handles += [Patch(facecolor="#999999", edgecolor="white", hatch=HATCHES.get(name, ""), label=name) for name in used]
    legend_above(axes, handles)
    return figure
