"""Pictures of records, as SVG. Colours stand for runtimes, the same in every picture."""

import statistics
from collections.abc import Mapping

import matplotlib
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from bench.records.record import Case, MachineRates
from bench.records.repeats import Repeats, weight_bytes
from bench.records.runtimes import PYTORCH, default_place
from bench.reporting import paper
from bench.reporting.latency import TRANSFORMERS, VISION, labels
from bench.reporting.plot_style import (
    COLOURS,
    OTHER,
    STAGE_COLOURS,
    STYLE,
    as_svg,
    colour_of,
    legend_above,
    make_figure,
    name_points,
    plain_numbers,
    runtime_legend,
)
from bench.reporting.sweeps import case_name, curves, thermal_states

BASELINES = {**dict.fromkeys(VISION, "r101-f"), **dict.fromkeys(TRANSFORMERS, "bert-base")}

Found = Mapping[Case, Repeats]


def pictures(found: Found) -> dict[str, str]:
    """Return SVG by title; pictures for which there is nothing to show are left out."""
    makers = {
        "Speed against size": size_picture,
        "Distribution of latency": distribution_picture,
        "Where the time goes": stage_picture,
        "Roofline": roofline_picture,
        "Beside the paper": paper_picture,
        "Speed of the transformers (Figure 4's axis)": transformer_picture,
        "Scaling with threads": scaling_picture,
        "Latency over time": sustained_picture,
    }
    made = {}
    with matplotlib.rc_context(STYLE):
        for title, make in makers.items():
            figure = make(found)
            if figure is not None:
                made[title] = as_svg(figure)
    return made


def size_picture(found: Found) -> Figure | None:
    """Milliseconds against megabytes of weights."""
    found = _usual_threads(found)
    points = {key: (repeats.median, weight_bytes(repeats.records[0]) / 1e6) for key, repeats in found.items()}
    points = {key: point for key, point in points.items() if point[1] > 0.0}
    if not points:
        return None
    figure, axes = make_figure(9.0, 6.0)
    for key, (time, size) in points.items():
        axes.scatter(time, size, color=colour_of(key), s=45, zorder=3)
    axes.set(xscale="log", yscale="log", xlabel="median latency (ms)", ylabel="artifact, or fp32 weights (MB)")
    plain_numbers(axes.xaxis, axes.yaxis)
    axes.grid(alpha=0.3)
    axes.margins(0.15)
    name_points(axes, points)
    runtime_legend(axes, points)
    return figure


def distribution_picture(found: Found) -> Figure | None:
    """Every run, as boxes from quartile to quartile and whiskers from the 5th to the 95th percentile."""
    if not found:
        return None
    keys = sorted(found, key=lambda key: found[key].median, reverse=True)
    figure, axes = make_figure(9.0, 1.2 + 0.35 * len(keys))
    boxes = axes.boxplot(
        [found[key].totals for key in keys], orientation="horizontal", patch_artist=True, whis=(5, 95), widths=0.6,
        flierprops={"marker": ".", "markersize": 3, "alpha": 0.4}, medianprops={"color": "black"},
    )  # fmt: skip
    for box, key in zip(boxes["boxes"], keys, strict=True):
        box.set(facecolor=colour_of(key), alpha=0.8)
    axes.set_yticks(range(1, len(keys) + 1), [labels(found)[key] for key in keys])
    axes.set(xscale="log", xlabel="latency of a run (ms)")
    plain_numbers(axes.xaxis)
    axes.grid(axis="x", alpha=0.3)
    runtime_legend(axes, found)
    return figure


def stage_picture(found: Found) -> Figure | None:
    """Share of each stage in the time of a run, with milliseconds where they fit."""
    staged = {key: repeats.stages for key, repeats in found.items() if len(repeats.stages) > 1}
    if not staged:
        return None
    names = list(dict.fromkeys(stage for stages in staged.values() for stage in stages))
    figure, axes = make_figure(9.0, 1.6 + 0.45 * len(staged))
    for row, stages in enumerate(staged.values()):
        whole, left = sum(stages.values()), 0.0
        for stage, time in stages.items():
            share = 100.0 * time / whole
            colour = STAGE_COLOURS[names.index(stage) % len(STAGE_COLOURS)]
            axes.barh(row, share, left=left, color=colour)
            if share > 9.0:
                text = f"{time:,.0f} ms" if time >= 100.0 else f"{time:.3g} ms"
                axes.text(left + share / 2, row, text, ha="center", va="center", color="white", fontsize=8)
            left += share
    axes.set_yticks(range(len(staged)), [labels(found)[key] for key in staged])
    axes.set(xlabel="share of the time of a run (%)", xlim=(0, 100))
    handles = [Patch(color=STAGE_COLOURS[place % len(STAGE_COLOURS)], label=name) for place, name in enumerate(names)]
    legend_above(axes, handles)
    return figure


def roofline_picture(found: Found) -> Figure | None:
    """Multiply-adds a second against multiply-adds a byte of weights, under what the machine gives."""
    points = {}
    rates: dict[int, MachineRates] = {}
    for key, repeats in _usual_threads(found).items():
        record = repeats.records[0]
        if record.counts and record.machine and weight_bytes(record):
            points[key] = (record.counts.macs / weight_bytes(record), record.counts.macs / repeats.median / 1e6)
            rates[key.threads] = record.machine
    if not points:
        return None
    figure, axes = make_figure(9.0, 6.0)
    for key, point in points.items():
        axes.scatter(*point, color=colour_of(key), s=45, zorder=3)
    left = min(intensity for intensity, _ in points.values()) / 4
    right = max(intensity for intensity, _ in points.values()) * 4
    for threads, rate in sorted(rates.items()):
        knee = rate.gmac_per_s / rate.gb_per_s
        line = sorted({min(left, knee / 4), knee, max(right, knee * 4)})
        axes.plot(line, [min(rate.gmac_per_s, rate.gb_per_s * x) for x in line], color="black", lw=1.2)
        text = f"{threads} thread{'s' * (threads > 1)}: {rate.gmac_per_s:.0f} GMAC/s, {rate.gb_per_s:.0f} GB/s"
        axes.annotate(text, (line[-1], rate.gmac_per_s), ha="right", va="bottom", fontsize=9)
    axes.set(xscale="log", yscale="log", xlabel="multiply-adds a byte of weights", ylabel="achieved GMAC/s")
    plain_numbers(axes.xaxis, axes.yaxis)
    axes.grid(alpha=0.3)
    name_points(axes, points)
    runtime_legend(axes, points)
    return figure


def paper_picture(found: Found) -> Figure | None:
    """Latency as a share of the baseline's, the paper's and here."""
    shares: dict[str, dict[str, float]] = {}
    for key, repeats in found.items():
        baseline = BASELINES.get(key.model)
        if key.accelerator != default_place(key.runtime):
            continue  # the paper has a CPU's, and a runtime has one bar
        if key.model not in paper.LATENCY_MS or baseline is None or key.model == baseline or key.precision != "fp32":
            continue
        whole = _reference(found, key, baseline)
        if whole:
            shares.setdefault(key.model, {})[key.runtime] = 100.0 * repeats.median / whole
    if not shares:
        return None
    ticks, names = [], []
    figure, axes = make_figure(9.0, 1.4 + 0.35 * sum(1 + len(bars) for bars in shares.values()))
    row = 0.0
    for model, bars in shares.items():
        printed = 100.0 * paper.LATENCY_MS[model] / paper.LATENCY_MS[BASELINES[model]]
        for runtime, share in {"paper": printed, **bars}.items():
            axes.barh(row, share, color=COLOURS.get(runtime, "#BBBBBB"), height=0.8)
            axes.annotate(f" {share:.1f} %", (share, row), va="center", fontsize=9)
            ticks.append(row)
            names.append(f"{model} / {BASELINES[model]}, {runtime}")
            row += 1.0
        row += 0.5
    axes.set_yticks(ticks, names)
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.set(xlabel="latency as a share of the baseline's (%)")
    return figure


def transformer_picture(found: Found) -> Figure | None:
    """How many times as fast as BERT-base each transformer is."""
    runs: dict[str, dict[str, float]] = {}
    for key, repeats in found.items():
        whole = _reference(found, key, "bert-base")
        usual = key.accelerator == default_place(key.runtime)
        if key.model in TRANSFORMERS and key.precision == "fp32" and whole and usual:
            runs.setdefault(key.runtime, {})[key.model] = whole / repeats.median
    if not any(len(models) > 1 for models in runs.values()):
        return None
    figure, axes = make_figure(9.0, 3.4)
    for place, (runtime, models) in enumerate(runs.items()):
        aside = 0.15 * (place - (len(runs) - 1) / 2)  # so that runtimes do not cover each other
        rows = [TRANSFORMERS.index(model) + aside for model in models]
        axes.scatter(list(models.values()), rows, color=COLOURS.get(runtime, OTHER), s=55, zorder=3, label=runtime)
    axes.set_yticks(range(len(TRANSFORMERS)), list(TRANSFORMERS))
    axes.invert_yaxis()
    axes.grid(alpha=0.3)
    axes.set(xlabel="times as fast as bert-base")
    legend_above(axes, axes.get_legend_handles_labels()[0])
    return figure


def scaling_picture(found: Found) -> Figure | None:
    """Speed against threads, relative to the fewest."""
    made = curves(list(found.values()))
    if not made:
        return None
    figure, axes = make_figure(9.0, 5.0)
    for place, (key, curve) in enumerate(made.items()):
        first = next(iter(curve.values())).median
        times = [first / repeats.median for repeats in curve.values()]
        label = case_name(key)
        marker = "osD^vP*"[place % 7]
        axes.plot(list(curve), times, marker=marker, color=COLOURS.get(key.runtime, OTHER), label=label)
    axes.set_xticks(sorted({threads for curve in made.values() for threads in curve}))
    axes.set(xlabel="threads", ylabel="times as fast as with the fewest")
    axes.grid(alpha=0.3)
    legend_above(axes, axes.get_legend_handles_labels()[0], ncols=2)
    return figure


def sustained_picture(found: Found) -> Figure | None:
    """Median of every second of long measurements; on a phone, a mark where its thermal status changed."""
    long = {key: repeats.records[-1].sustained for key, repeats in found.items() if repeats.records[-1].sustained}
    if not long:
        return None
    figure, axes = make_figure(9.0, 5.0)
    for place, (key, points) in enumerate(long.items()):
        seconds, times = zip(*(points or []), strict=True)
        style = ("-", "--", ":", "-.")[place % 4]
        axes.plot([s / 60.0 for s in seconds], times, color=colour_of(key), ls=style, label=labels(found)[key])
        for second, status in thermal_states(found[key].records[-1])[1:]:
            axes.axvline(second / 60.0, color=colour_of(key), ls=style, lw=0.8, alpha=0.6)
            axes.annotate(status, (second / 60.0, 0.02), xycoords=("data", "axes fraction"), rotation=90, fontsize=7)
    axes.set(xlabel="minutes", ylabel="median latency of a second (ms)", ylim=(0, None))
    axes.grid(alpha=0.3)
    legend_above(axes, axes.get_legend_handles_labels()[0], ncols=2)
    return figure


def _reference(found: Found, key: Case, baseline: str) -> float | None:
    """Return the baseline's median by the same runtime, or by PyTorch."""
    in_pytorch = key._replace(model=baseline, runtime=PYTORCH, accelerator="")
    repeats = found.get(key._replace(model=baseline)) or found.get(in_pytorch)
    return repeats.median if repeats else None


def _usual_threads(found: Found) -> dict[Case, Repeats]:
    """Return what was measured with the number of threads that most was measured with."""
    usual = statistics.mode(key.threads for key in found) if found else 0
    return {key: repeats for key, repeats in found.items() if key.threads == usual}
