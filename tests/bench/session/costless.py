"""Runs that cost nothing: a device without a clock, and sessions that have begun."""

from dataclasses import replace
from pathlib import Path

from bench.devices import Work
from bench.records.record import Case, Record
from bench.session.session import Session
from tests.bench.plans import plan
from tests.bench.samples import FAILED, SAMPLE

A, B, C = (Case("cpu", model, "pytorch", "fp32", 1) for model in ("tee-0", "tee-1", "minilm"))


class Machine:
    """A device whose measurements cost nothing; those in `broken` fail."""

    def __init__(self, broken: tuple[Case, ...] = ()) -> None:
        self.broken = broken
        self.measured: list[tuple[int, Case]] = []
        self.prepared = 0
        self.finished = 0

    def cases(self) -> list[Case]:
        return [A, B, C]

    def cores(self) -> int:
        return 4

    def prepare(self, work: Work) -> None:
        self.prepared += 1

    def finish(self) -> None:
        self.finished += 1

    def measure(self, case: Case, run: str, number: int) -> Record:
        self.measured.append((number, case))
        sample = FAILED if case in self.broken else SAMPLE
        return replace(sample, run=run, round=number, model=case.model, runtime="pytorch", threads_asked=case.threads)


def begun(folder: Path, *flags: object) -> Session:
    session = Session.new(folder, plan("--models", "minilm-tiny", *flags))
    session.begin()
    return session
