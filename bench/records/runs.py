"""Which records of a file count: every repeat once, and those of one run."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bench.records.record import Record
from minivlm.errors import UserError, closest, printable


@dataclass(frozen=True)
class Run:
    """One invocation of the benchmark, as far as a file of records has it.

    Attributes:
        name: Its id.
        records: Every repeat once, in the order of the file.
        others: Ids of the file's other runs.
    """

    name: str
    records: list[Record]
    others: list[str]

    def __str__(self) -> str:
        rest = f", one of {len(self.others) + 1} runs there" if self.others else ""
        return f"run {printable(self.name)} ({len(self.records)} repeats{rest})"


def once(records: Iterable[Record]) -> list[Record]:
    """Return the last record of every run, round and case: it may stand there again, or be measured again."""
    return list({(record.run, record.round, record.case): record for record in records}.values())


def in_rounds_of_both(first: Iterable[Record], second: Iterable[Record]) -> list[tuple[Record, Record]]:
    """Return the records of two cases, or of two sides of one, of each round that has both, by run and round."""
    rounds = [{(record.run, record.round): record for record in records} for records in (first, second)]
    return [(rounds[0][key], rounds[1][key]) for key in sorted(rounds[0].keys() & rounds[1].keys())]


def latest_run(records: Iterable[Record]) -> str:
    """Return the id of the run whose last record was taken last; of equals, the one that comes last."""
    return sorted(records, key=lambda record: record.taken)[-1].run


def choose_run(records: Sequence[Record], name: str | None, flag: str) -> Run:
    """Return one run of a file.

    Args:
        records: Of the file, at least one.
        name: Of the run; None takes the latest.
        flag: That gives the name.

    Raises:
        UserError: There is no such run.
    """
    names = list(dict.fromkeys(record.run for record in records))
    if name is not None and name not in names:
        near = closest(printable(name), [printable(each) for each in names])
        raise UserError(f"{flag} {printable(name)}: there is no such run in these records; {near}")
    chosen = latest_run(records) if name is None else name
    kept = [record for record in once(records) if record.run == chosen]
    return Run(chosen, kept, [each for each in names if each != chosen])
