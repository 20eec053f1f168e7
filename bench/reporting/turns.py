"""What cases that took turns are beside each other: ratios within a round, in which the machine was one for all."""

import statistics
from collections.abc import Sequence

from bench.records.conditions import divide
from bench.records.record import Record
from bench.records.repeats import Repeats, group
from bench.records.runs import in_rounds_of_both
from bench.reporting.cells import Cell, Row, Table
from bench.reporting.latency import labels


def turn_tables(records: Sequence[Record]) -> list[Table]:
    """Return a table for each run and number of threads whose cases took turns."""
    tables = []
    for part in divide(records):
        together: dict[tuple[str, int], list[Repeats]] = {}
        for repeats in group(part.records):
            first = repeats.records[0]
            if first.turns > 1:
                together.setdefault((first.run, first.threads_asked), []).append(repeats)
        tables += [_table(found, part.titled("In turns")) for found in together.values() if len(found) > 1]
    return tables


def speed_ratios(first: Repeats, other: Repeats) -> list[float]:
    """Return how many times as fast the second case was as the first, of every round that has both."""
    return [one.median / another.median for one, another in in_rounds_of_both(first.records, other.records)]


def _table(found: Sequence[Repeats], title: str) -> Table:
    names = labels([repeats.case for repeats in found])
    first = found[0]
    rows = []
    for repeats in found:
        ratios = speed_ratios(first, repeats)
        if ratios:
            span = f" ({min(ratios):.2f} to {max(ratios):.2f})" if len(ratios) > 1 else ""
            speed = Cell("times as fast", None, statistics.median(ratios), digits=2, detail=span)
            rows.append(Row(names[repeats.case], [speed, Cell("ms", None, repeats.median, digits=1)]))
    rounds = len(first.records)
    note = (
        f"Speed over that of {names[first.case]}, of each of {rounds} round{'s' * (rounds > 1)}: median, lowest and "
        f"highest. In a round {first.records[0].turns} processes were loaded together and ran by turns: whatever the "
        "machine did hit all of them. A turn begins with a run that does not count, after what others left in caches."
    )
    return Table(title, note, rows)
