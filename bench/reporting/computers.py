"""All tables of what computers took, in the order in which they are shown."""

from collections.abc import Sequence

from bench.records.record import Record
from bench.reporting.accelerators import accelerator_tables
from bench.reporting.cells import Table
from bench.reporting.latency import latency_tables
from bench.reporting.phones import of_machines
from bench.reporting.sweeps import sweep_tables
from bench.reporting.turns import turn_tables


def computer_tables(records: Sequence[Record]) -> list[Table]:
    """Return the tables of all records that are not a phone's; those with nothing to show are left out."""
    found = of_machines(records)
    return [*latency_tables(found), *turn_tables(found), *accelerator_tables(found), *sweep_tables(found)]
