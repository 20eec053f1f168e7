"""What a sweep over threads and a long measurement say: scaling, the setting to take, and latency over time."""

import statistics
from collections.abc import Sequence
from dataclasses import replace

from bench.records.conditions import divide
from bench.records.record import Case, Record
from bench.records.repeats import Repeats, group
from bench.reporting.cells import Cell, Row, Table

CLOSE = 1.03
"""A setting with fewer threads is taken if it is at most so much slower than the best."""
CLIFF = 1.10
"""More threads that make it so much slower than fewer are a cliff."""


def sweep_tables(records: Sequence[Record]) -> list[Table]:
    """Return by machine, weights and image size a table of scaling and one of latency over time."""
    tables = []
    for part in divide(records):
        found = group(part.records)
        made = (scaling_table(found), sustained_table(found))
        tables += [replace(table, title=part.titled(table.title)) for table in made if table.rows]
    return tables


def curves(found: Sequence[Repeats]) -> dict[Case, dict[int, Repeats]]:
    """Return by case, its threads set to 0, the repeats by number of threads; single points are left out."""
    made: dict[Case, dict[int, Repeats]] = {}
    for repeats in found:
        made.setdefault(repeats.case._replace(threads=0), {})[repeats.case.threads] = repeats
    return {key: dict(sorted(curve.items())) for key, curve in made.items() if len(curve) > 1}


def case_name(key: Case) -> str:
    """Return the name of a case whose threads vary."""
    return ", ".join(filter(None, (key.model, key.runtime, key.precision, key.accelerator)))


def recommended_threads(curve: dict[int, Repeats]) -> int:
    """Return the fewest threads that are about as fast as the best."""
    best = min(repeats.median for repeats in curve.values())
    return min(threads for threads, repeats in curve.items() if repeats.median <= best * CLOSE)


def cliffs(curve: dict[int, Repeats]) -> list[str]:
    """Say where more threads than recommended make it much slower."""
    best = recommended_threads(curve)
    cores = next(iter(curve.values())).records[0].environment.get("cores")
    return [
        f"{threads} threads take {repeats.median / curve[best].median:.1f} times as long as {best}"
        + (f", there are {cores} cores" if isinstance(cores, int) and threads > cores else "")
        for threads, repeats in curve.items()
        if threads > best and repeats.median > curve[best].median * CLIFF
    ]


def scaling_table(found: Sequence[Repeats]) -> Table:
    """How much more threads help."""
    rows, warnings = [], []
    made = curves(found)
    columns = sorted({threads for curve in made.values() for threads in curve})
    for key, curve in made.items():
        label = case_name(key)
        fewest = next(iter(curve.values()))
        cells = []
        for threads in columns:
            repeats = curve.get(threads)
            times = "" if repeats is None else f" ({fewest.median / repeats.median:.2f}x)"
            cells.append(Cell(f"{threads} threads ms", None, repeats.median if repeats else None, detail=times))
        rows.append(Row(label, [*cells, Cell("take", None, float(recommended_threads(curve)), digits=0)]))
        warnings += [f"{label}: {cliff}." for cliff in cliffs(curve)]
    note = (
        f"Median, and how many times as fast as with the fewest threads. Take: the fewest threads within "
        f"{CLOSE - 1:.0%} of the best. " + " ".join(["Beware of the cliff:", *warnings] if warnings else [])
    )
    return Table("Scaling with threads", note.strip(), rows)


def sustained_table(found: Sequence[Repeats]) -> Table:
    """How latency changes while a model runs on and on, and where a phone told it, how hot that was."""
    rows, heat = [], []
    for repeats in found:
        record = repeats.records[-1]
        if not record.sustained:
            continue
        end = record.sustained[-1][0]
        window = min(60.0, end / 4)
        first = statistics.median(
            ms for second, ms in record.sustained if second <= max(window, record.sustained[0][0])
        )
        last = statistics.median(ms for second, ms in record.sustained if second >= end - window)
        cells = [
            Cell("minutes", None, end / 60.0, digits=1),
            Cell("begin ms", None, first),
            Cell("end ms", None, last),
            Cell("end over begin", None, last / first, digits=2),
            Cell("slowest second ms", None, max(ms for _, ms in record.sustained)),
        ]
        rows.append(Row(str(repeats.case), cells))
        states = thermal_states(record)
        if states:
            told = ", ".join(f"{status} from {second / 60.0:.1f} min on" for second, status in states)
            heat.append(f"{repeats.case}: {told}.")
    note = "Medians of the first and the last minute, or quarter of a shorter time; the records have every second."
    return Table("Latency over time", " ".join([note, *(["Thermal status:", *heat] if heat else [])]), rows)


def thermal_states(record: Record) -> list[tuple[float, str]]:
    """Return when, in seconds since the start of a long measurement, which thermal status began; none if not told."""
    found = record.environment.get("thermal_states")
    if not isinstance(found, list):
        return []
    pairs = [entry for entry in found if isinstance(entry, list) and len(entry) == 2]
    return [(float(second), str(status)) for second, status in pairs if isinstance(second, int | float)]
