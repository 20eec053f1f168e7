"""What accelerators had of what was measured: the share of the work that is theirs, in how many pieces, and by what."""

from collections.abc import Sequence
from dataclasses import replace

from bench.records.accelerated import Accelerated
from bench.records.conditions import divide
from bench.records.record import Record
from bench.records.repeats import Repeats, group
from bench.reporting.cells import Cell, Row, Table
from bench.reporting.sweeps import case_name

PROCESSORS = {"cpu": "CPU", "gpu": "GPU", "ne": "Neural Engine"}
"""Of Core ML's compute plan, for people."""

PIECES = (
    "Multiply-adds: the least share of a method's that the accelerator runs; pieces: the most that a method is cut "
    "into. The rest runs on the CPU."
)
PLAN = (
    "Operators: which processor Core ML's compute plan prefers, over all methods; it is told before a run, not of one."
)


def accelerator_tables(records: Sequence[Record]) -> list[Table]:
    """Return by machine, weights and image size a table of what accelerators had; none where nothing was on one."""
    made = [(part, _table(group(part.records))) for part in divide(records)]
    return [replace(table, title=part.titled(table.title)) for part, table in made if table.rows]


def _table(found: Sequence[Repeats]) -> Table:
    told: dict[str, Accelerated] = {}
    for repeats in found:
        accelerated = repeats.records[0].accelerated
        if accelerated is not None:
            told[case_name(repeats.case)] = accelerated
    rows = [Row(name, _cells(one)) for name, one in told.items()]
    notes = [PIECES] * any(one.macs for one in told.values()) + [PLAN] * any(one.planned for one in told.values())
    by = [f"{name}: {adapter(one)}." for name, one in told.items() if adapter(one)]
    return Table("Accelerators", " ".join([*notes, *by]), rows)


def _cells(one: Accelerated) -> list[Cell]:
    shares = one.shares
    return [
        Cell("% of multiply-adds", None, 100.0 * min(one.macs.values()) if one.macs else None),
        Cell("pieces", None, float(max(one.pieces.values())) if one.pieces else None, digits=0),
        *(
            Cell(f"% of operators on {title}", None, 100.0 * shares.get(name, 0.0) if shares else None)
            for name, title in PROCESSORS.items()
        ),
    ]


def adapter(one: Accelerated) -> str:
    """Return which device computes, by which driver and in what; "" where nothing of it is told."""
    driver = f"driver {one.driver}" if one.driver else ""
    return ", ".join(filter(None, (one.adapter, driver, f"in {one.computed}" if one.computed else "")))
