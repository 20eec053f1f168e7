"""The paper's tables with what was measured beside them, and what no device has measured yet."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from bench.records.conditions import Division, divide
from bench.records.record import Case, Record
from bench.records.repeats import Repeats, group
from bench.records.runtimes import PYTORCH, default_place
from bench.reporting import paper
from bench.reporting.cells import Cell, Row, Table
from bench.reporting.cost_tables import Counts, cost_tables
from bench.reporting.phones import EXAMPLE_PHONE, HOSTED

DEVICES = {"cpu": "this machine", "android": "Android phones", "ios": "iPhones", "hub": "hosted phones"}
"""Kinds of device that records may come from."""
PARTS = {"backbone": "backbone", "rpn": "proposals", "box_head": "head"}
"""Stages of a detector by the paper's name of the component."""
BASELINES = {"Table 1": "r101-f", "Table 2": "bert-base", "Table 10": "tee-0"}
TIMED = (*BASELINES, "Table 3", "Table 5")

Medians = Mapping[tuple[str, str], float]
"""Milliseconds by model and runtime."""


@dataclass(frozen=True)
class DeviceStatus:
    """What is known of a kind of device: how many measurements, or the command that makes some."""

    name: str
    measurements: int
    command: str

    def __str__(self) -> str:
        measured = f"{self.measurements} measurements" if self.measurements else f"not measured: {self.command}"
        return f"{self.name}: {measured}"


def device_statuses(records: Sequence[Record]) -> list[DeviceStatus]:
    """Return one status a kind of device."""
    return [
        DeviceStatus(name, sum(r.ok and r.device == device for r in records), _command(device))
        for device, name in DEVICES.items()
    ]


def _command(device: str) -> str:
    phone = f' --phone "{EXAMPLE_PHONE}"' if device == HOSTED else ""
    return f"python bench/run.py --device {device}{phone}"


def measured_tables(counts: Counts, records: Sequence[Record]) -> list[Table]:
    """Return the paper's cost tables, latency added where there are records of this kind of machine.

    Where those are of several machines, photos, weights or image sizes, the tables with latency are there for each.
    """
    here = [record for record in records if record.device == "cpu"]
    tables: list[Table] = []
    for part in divide(here) or [Division("", [])]:
        timed = _timed_tables(counts, part.records)
        tables += [
            replace(table, title=part.titled(table.title) if number in TIMED else table.title)
            for number, table in timed.items()
            if number in TIMED or table.title not in {each.title for each in tables}
        ]
    return tables


def _timed_tables(counts: Counts, records: Sequence[Record]) -> dict[str, Table]:
    """Return the tables of one division by their number."""
    found = reference_repeats(records)
    medians = {(key.model, key.runtime): repeats.median for key, repeats in found.items()}
    tables = {}
    for table in cost_tables(counts):
        number = table.title.partition(".")[0]
        if number in BASELINES:
            table = with_latency(table, medians, BASELINES[number])
        elif number == "Table 3":
            table = with_sums(table, medians)
        elif number == "Table 5":
            table = with_stages(table, found)
        tables[number] = table
    return tables


def reference_repeats(records: Sequence[Record]) -> dict[Case, Repeats]:
    """Return the repeats that stand for a model and runtime: in fp32, where it runs by itself, with most's threads."""
    in_fp32 = [repeats for repeats in group(records) if repeats.case.precision == "fp32"]
    found = [each for each in in_fp32 if each.case.accelerator == default_place(each.case.runtime)]
    if not found:
        return {}
    threads = statistics.multimode(sorted((r.case.threads for r in found), reverse=True))[0]
    return {repeats.case: repeats for repeats in found if repeats.case.threads == threads}


def with_latency(table: Table, medians: Medians, baseline: str) -> Table:
    """Add by runtime: milliseconds, and their share of the baseline's beside the paper's share."""
    runtimes = sorted({runtime for _, runtime in medians}, key=lambda runtime: (runtime != PYTORCH, runtime))
    rows = []
    for row in table.rows:
        cells = list(row.cells)
        for runtime in runtimes:
            time = medians.get((row.label, runtime))
            whole = medians.get((baseline, runtime)) or medians.get((baseline, PYTORCH))
            share = 100.0 * time / whole if time and whole else None
            printed = None
            if row.label in paper.LATENCY_MS and baseline in paper.LATENCY_MS:
                printed = float(f"{100.0 * paper.LATENCY_MS[row.label] / paper.LATENCY_MS[baseline]:.3g}")
            cells += [
                Cell(f"{runtime} ms", None, time),
                Cell(f"{runtime} % of {baseline}", printed, share, comparable=False),
            ]
        rows.append(Row(row.label, cells))
    return replace(table, rows=rows)


def with_sums(table: Table, medians: Medians) -> Table:
    """Add the sum of extractor and transformer, both in PyTorch."""
    rows = []
    for row in table.rows:
        times = [medians.get((part, PYTORCH)) for part in row.label.split(" + ")]
        known = [time for time in times if time is not None]
        cell = Cell("pytorch ms", None, sum(known) if len(known) == len(times) else None)
        rows.append(Row(row.label, [*row.cells, cell]))
    return replace(table, rows=rows)


def with_stages(table: Table, found: Mapping[Case, Repeats]) -> Table:
    """Add the time of each component, in PyTorch."""
    stages = {key.model: repeats.stages for key, repeats in found.items() if key.runtime == PYTORCH}
    rows = [
        Row(
            row.label,
            [
                *row.cells,
                *(Cell(f"{part} ms", None, stages.get(row.label, {}).get(name)) for part, name in PARTS.items()),
            ],
        )
        for row in table.rows
    ]
    return replace(table, rows=rows)
