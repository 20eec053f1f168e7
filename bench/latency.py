"""Latency tables from records: medians, and ratios beside the paper's."""

import math
import statistics
from collections.abc import Iterable, Sequence

from bench import paper
from bench.cells import Cell, Row, Table
from bench.records import Record

VISION = ("tee-0", "tee-1", "tee-2", "tee-3", "grid-r50", "grid-x101", "r101-f")
TRANSFORMERS = ("bert-base", "bert-8", "tinybert-6", "bert-4", "minilm", "tinybert-4")

Key = tuple[str, str]
"""Model and runtime."""


def latest(records: Iterable[Record]) -> dict[Key, Record]:
    """Return the last record of every model and runtime."""
    return {(record.model, record.runtime): record for record in records}


def latency_tables(records: Sequence[Record]) -> list[Table]:
    """Return one table for the extractors, one for the transformers and one for everything else that was measured."""
    found = latest(records)
    groups = (
        ("Latency of the vision modules, photo tensor to regions", VISION, "r101-f"),
        ("Latency of the transformers, 35 text tokens and 50 regions", TRANSFORMERS, "bert-base"),
    )
    tables = [_table(title, models, baseline, found) for title, models, baseline in groups]
    others = sorted({model for model, _ in found} - {*VISION, *TRANSFORMERS})
    tables.append(_table("Latency of other models", others, None, found))
    tables.append(_stage_table([record for record in found.values() if len(record.samples) > 1]))
    return [table for table in tables if table.rows]


def _stage_table(records: Sequence[Record]) -> Table:
    """Where the time of a whole model goes: the median of each stage."""
    rows = [
        Row(
            f"{record.model}, {record.runtime}",
            [
                Cell(f"{stage} ms", None, statistics.median(samples), digits=1)
                for stage, samples in record.samples.items()
            ],
        )
        for record in records
    ]
    return Table("Stages from photo to caption", _note(records), rows)


def _table(title: str, models: Sequence[str], baseline: str | None, found: dict[Key, Record]) -> Table:
    used = [(model, runtime) for model in models for runtime in _runtimes(found) if (model, runtime) in found]
    rows = [Row(f"{model}, {runtime}", _cells(found[model, runtime], baseline, found)) for model, runtime in used]
    return Table(title, _note([found[key] for key in used]), rows)


def _runtimes(found: dict[Key, Record]) -> list[str]:
    return sorted({runtime for _, runtime in found}, key=lambda runtime: (runtime != "pytorch", runtime))


def _cells(record: Record, baseline: str | None, found: dict[Key, Record]) -> list[Cell]:
    printed = paper.LATENCY_MS.get(record.model)
    cells = [
        Cell("ms", printed, record.median, digits=1, detail=f" ± {record.spread:.1f}", comparable=False),
        Cell("runs", None, float(len(record.totals)), digits=0),
        Cell("load ms", None, record.load_ms, digits=0),
    ]
    reference = found.get((baseline or "", record.runtime)) or found.get((baseline or "", "pytorch"))
    if baseline is None:
        return cells
    share = None if reference is None else 100.0 * record.median / reference.median
    printed_share = None if printed is None else _round(100.0 * printed / paper.LATENCY_MS[baseline])
    return [*cells, Cell(f"% of {baseline}", printed_share, share, digits=1, comparable=False)]


def _round(value: float, digits: int = 3) -> float:
    """Round to a number of significant digits, as printed figures are."""
    return round(value, digits - 1 - math.floor(math.log10(abs(value)))) if value else 0.0


def _note(records: Sequence[Record]) -> str:
    if not records:
        return ""
    first = records[0]
    shapes = {record.model: _image_size(record) for record in records if _image_size(record)}
    sizes = "; input " + ", ".join(f"{model} {size}" for model, size in shapes.items()) if shapes else ""
    baselines = " R101-F runs in PyTorch only, and every ratio is to that." if "r101-f" in shapes else ""
    threads = sorted({record.threads for record in records})
    return (
        f"Median ± half the interquartile range, one photo at a time, {_plural(threads)} of "
        f"{first.environment['cpu']}, weights {first.weights}{sizes}.{baselines} The paper's: PyTorch, 4 threads of a "
        "Xeon E5-2620 v4, and the transformers' for a whole caption; times of different machines are not compared, "
        "ratios are."
    )


def _plural(threads: Sequence[int]) -> str:
    text = " or ".join(str(count) for count in threads)
    return f"{text} thread" if text == "1" else f"{text} threads"


def _image_size(record: Record) -> str:
    shape = record.inputs.get("image")
    return f"{shape[2]}x{shape[3]}" if shape else ""
