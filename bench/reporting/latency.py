"""Latency tables from records: medians, and ratios beside the paper's."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

from bench.measure.timing import PROFILES
from bench.records.conditions import divide, image_size
from bench.records.record import Case, Record
from bench.records.repeats import Repeats, group
from bench.records.runtimes import PYTORCH
from bench.reporting import paper
from bench.reporting.cells import Cell, Row, Table
from export.core.acceleration import CPU

VISION = ("tee-0", "tee-1", "tee-2", "tee-3", "grid-r50", "grid-x101", "r101-f")
TRANSFORMERS = ("bert-base", "bert-8", "tinybert-6", "bert-4", "minilm", "tinybert-4")

STAGES = ("preprocess", "regions", "backbone", "proposals", "head", "prefill", "steps")

Found = dict[Case, Repeats]


def latency_tables(records: Sequence[Record]) -> list[Table]:
    """Return a table for the extractors, one for the transformers, one for everything else, their stages and costs.

    Each holds values of one machine, one photo, the same weights and one profile, and of a model one image size.
    """
    return [
        replace(table, title=part.titled(table.title)) for part in divide(records) for table in _tables(part.records)
    ]


def _tables(records: Sequence[Record]) -> list[Table]:
    """Return the tables of one division."""
    found = {repeats.case: repeats for repeats in group(records)}
    groups = (
        ("Latency of the vision modules, photo tensor to regions", VISION, "r101-f"),
        ("Latency of the transformers, 35 text tokens and 50 regions", TRANSFORMERS, "bert-base"),
    )
    tables = [_table(title, models, baseline, found) for title, models, baseline in groups]
    others = sorted({key.model for key in found} - {*VISION, *TRANSFORMERS})
    tables.append(_table("Latency of other models", others, None, found))
    tables += [_stage_table(found), _cost_table(found)]
    return [table for table in tables if table.rows]


def labels(keys: Iterable[Case]) -> dict[Case, str]:
    """Return a name for each case: model and runtime, and of the rest what is not the same for all."""
    keys = list(keys)
    several = {field: len({getattr(key, field) for key in keys}) > 1 for field in ("precision", "threads")}
    places: dict[str, set[str]] = {}
    for key in keys:
        places.setdefault(key.runtime, set()).add(key.accelerator)
    return {
        key: ", ".join(
            [
                key.model,
                key.runtime,
                *([key.precision] if several["precision"] else []),
                *place_names(key.accelerator, several=len(places[key.runtime]) > 1),
                *([_threads([key.threads])] if several["threads"] else []),
            ]
        )
        for key in keys
    }


def place_names(accelerator: str, *, several: bool) -> list[str]:
    """Return the name of what a case runs on, where it is an accelerator or not the same for all of its runtime."""
    return [accelerator or CPU] if accelerator or several else []


def _stage_table(found: Found) -> Table:
    """Where the time goes: the median of each stage, for every case with more than one."""
    staged = {key: repeats for key, repeats in _ordered(found) if len(repeats.stages) > 1}
    present = {stage for repeats in staged.values() for stage in repeats.stages}
    columns = [*(stage for stage in STAGES if stage in present), *sorted(present - {*STAGES})]
    names = labels(found)
    rows = [
        Row(
            names[key],
            [
                *(Cell(f"{stage} ms", None, repeats.stages.get(stage), digits=1) for stage in columns),
                Cell("tokens/s", None, repeats.tokens_per_second, digits=1),
            ],
        )
        for key, repeats in staged.items()
    ]
    note = (
        "Median of each stage. backbone: with BiFPN; proposals: RPN and its NMS; head: RoIAlign (R101-F: RoI pooling), "
        "box head and the choice of regions; regions: all three; prefill: what is computed once a photo; steps: 19 "
        "tokens. An artifact runs its detector in one piece."
    )
    return Table("Stages", note, rows)


def _cost_table(found: Found) -> Table:
    """What a model takes beside its time, and how much of the machine it uses."""
    names = labels(found)
    rows = [
        Row(
            names[key],
            [
                Cell("load ms", None, repeats.load_ms, digits=0),
                Cell("first run ms", None, repeats.first_ms, digits=0),
                Cell("memory MB", None, _scaled(repeats.memory_bytes, 1e-6), digits=0),
                Cell("% of matrix rate", None, _scaled(repeats.matrix_share, 100.0)),
                Cell("% of bandwidth", None, _scaled(repeats.bandwidth_share, 100.0)),
            ],
        )
        for key, repeats in _ordered(found)
    ]
    note = (
        "Load: opening and reading an artifact; in PyTorch, building a model and its weights. Memory: "
        "what loading and running added. Matrix rate: multiply-adds a second, over those of fp32 matrix products here; "
        "int8 may exceed it. Bandwidth: weights read once a run, over what memory gives here."
    )
    return Table("Load, memory, and use of the machine", note, rows)


def _table(title: str, models: Sequence[str], baseline: str | None, found: Found) -> Table:
    used = [(key, repeats) for key, repeats in _ordered(found) if key.model in models]
    names = labels(found)
    rows = [Row(names[key], _cells(repeats, baseline, found)) for key, repeats in used]
    return Table(title, _note([repeats for _, repeats in used]), rows)


def _ordered(found: Found) -> list[tuple[Case, Repeats]]:
    """Return cases in the paper's order of models, PyTorch first."""
    order = {model: place for place, model in enumerate((*VISION, *TRANSFORMERS))}

    def place(key: Case) -> tuple[object, ...]:
        return (
            order.get(key.model, len(order)),
            key.model,
            key.runtime != PYTORCH,
            key.runtime,
            key.precision,
            key.accelerator,
            key.threads,
        )

    return [(key, found[key]) for key in sorted(found, key=place)]


def _cells(repeats: Repeats, baseline: str | None, found: Found) -> list[Cell]:
    key = repeats.case
    printed = paper.LATENCY_MS.get(key.model)
    headline = PROFILES[repeats.records[0].profile].headline if repeats.records[0].profile in PROFILES else 50.0
    cells = [
        Cell("ms", printed, repeats.median, digits=1, detail=f" ± {repeats.spread:.1f}", comparable=False),
        Cell("p90 ms" + " (headline)" * (headline == 90.0), None, repeats.percentile(90.0)),
        Cell("p99 ms", None, repeats.percentile(99.0)),
        Cell("runs", None, float(len(repeats.totals)), digits=0),
    ]
    if baseline is None:
        return cells
    reference = found.get(key._replace(model=baseline)) or found.get(
        key._replace(model=baseline, runtime=PYTORCH, precision="fp32", accelerator="")
    )
    share = None if reference is None else 100.0 * repeats.median / reference.median
    printed_share = None if printed is None else _round(100.0 * printed / paper.LATENCY_MS[baseline])
    return [cells[0], Cell(f"% of {baseline}", printed_share, share, digits=1, comparable=False), *cells[1:]]


def _scaled(value: float | None, factor: float) -> float | None:
    return None if value is None else factor * value


def _round(value: float, digits: int = 3) -> float:
    """Round to a number of significant digits, as printed values are."""
    return round(value, digits - 1 - math.floor(math.log10(abs(value)))) if value else 0.0


def _note(found: Sequence[Repeats]) -> str:
    if not found:
        return ""
    records = [record for repeats in found for record in repeats.records]
    first = records[0]
    shapes = {record.model: image_size(record) for record in records if image_size(record)}
    sizes = "; input " + ", ".join(f"{model} {size}" for model, size in shapes.items()) if shapes else ""
    baselines = " R101-F runs in PyTorch only, and every ratio is to that." if "r101-f" in shapes else ""
    threads = sorted({record.threads for record in records if record.threads is not None})
    rounds = max(len(repeats.records) for repeats in found)
    disturbed = sum(repeats.disturbed for repeats in found)
    return (
        f"Median ± half the interquartile range of {rounds} repeat{'s' * (rounds > 1)}"
        f"{', in turns' * (first.turns > 1)}, one photo at a time, "
        f"{_threads(threads)} of {first.machine_name}, weights {first.weights}{sizes}.{baselines} The paper's: "
        "PyTorch, 4 threads of a Xeon E5-2620 v4, and the transformers' for a whole caption; times of different "
        "machines are not compared, ratios are."
        + (f" {disturbed} of {len(records)} measurements were disturbed; the records say by what." if disturbed else "")
    )


def _threads(threads: Sequence[int]) -> str:
    if not threads:
        return "threads as the runtime chose"
    text = " or ".join(str(count) for count in threads)
    return f"{text} thread" if text == "1" else f"{text} threads"
