"""One invocation of the benchmark: its folder is its own, its records survive whatever happens, it can be continued."""

import fcntl
import json
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from bench.devices import Device, Work
from bench.measure.plan import Plan
from bench.records.file import append, read_kept
from bench.records.record import Case, Record, explain
from bench.records.runs import once
from export.core.weights import Weights
from minivlm.console import Steps
from minivlm.errors import UserError, printable
from minivlm.storage.files import exists, write_text
from minivlm.storage.json_files import read_object

RECORDS = "records.jsonl"
PLAN = "plan.json"
LOCK = ".lock"
NEW_RUN = "start a new run without --resume"


@dataclass(frozen=True)
class Session:
    """What a folder is being used for.

    Attributes:
        folder: Of the records.
        run: Id of the invocation.
        plan: What is measured.
    """

    folder: Path
    run: str
    plan: Plan

    @classmethod
    def new(cls, folder: Path, plan: Plan) -> "Session":
        """Return a new run."""
        return cls(folder, f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}", plan)

    @classmethod
    def last(cls, folder: Path) -> "Session":
        """Return the last run of a folder, to continue it.

        Raises:
            UserError: There is nothing to continue, or what was stored is damaged or another version's.
        """
        path = folder / PLAN
        if not exists(path):
            raise UserError(f"nothing to resume in {folder}: start a run without --resume")
        stored = read_object(path, "the plan of a run", NEW_RUN)
        if stored.keys() != {"run", "plan"} or not isinstance(stored["run"], str):
            raise UserError(f"{path} is not the plan of a run of this version, with run and plan: {NEW_RUN}")
        return cls(folder, stored["run"], _read_plan(path, stored["plan"]))

    def check_given(self, asked: Plan, given: Mapping[str, str]) -> None:
        """Refuse flags that say something else than the run that they continue.

        Args:
            asked: The plan of the command line by itself.
            given: Which of its fields each flag decided that stands there, by the flag's name.

        Raises:
            UserError: Naming the first flag that differs.
        """
        for flag, field in given.items():
            mine, other = getattr(self.plan, field), getattr(asked, field)
            if mine != other:
                raise UserError(
                    f"--{flag} {_shown(other)} differs from the run in {self.folder}, which has {_shown(mine)}: "
                    f"leave the flag out, or {NEW_RUN}"
                )

    def begin(self) -> None:
        """Write down what is needed to continue this run.

        Raises:
            UserError: The folder cannot be written, or its file of records holds something else.
        """
        read_kept(self.path)
        stored = {"run": self.run, "plan": TypeAdapter(Plan).dump_python(self.plan, mode="json")}
        write_text(self.folder / PLAN, json.dumps(stored, indent=2) + "\n")

    @property
    def path(self) -> Path:
        """File of the records."""
        return self.folder / RECORDS

    def records(self) -> list[Record]:
        """Return what this run has so far: the last record of every case and round."""
        return once(record for record in read_kept(self.path) if record.run == self.run)

    def measure(self, device: Device, repeats: int, steps: Steps) -> None:
        """Measure what is missing or has failed, in rounds, every second one backwards.

        Drift of the machine then hits all cases alike.
        """
        done = {(record.round, record.case) for record in self.records() if record.ok}
        tasks = [task for task in rounds(device.cases(), repeats) if task not in done]
        if not tasks:
            steps.say("nothing is missing")
            return
        try:
            device.prepare(Work(self.folder, self.run, tasks))
            for place, (number, case) in enumerate(tasks, start=1):
                steps.say(f"  [{place}/{len(tasks)}] round {number + 1} of {repeats}: {case} ...")
                record = device.measure(case, self.run, number)
                append(self.path, record)
                steps.say(f"    {outcome(record)}")
        finally:
            device.finish()


def _read_plan(path: Path, stored: object) -> Plan:
    """Read a plan that a run of another version may have stored, or somebody's editor changed."""
    adapter = TypeAdapter(Plan)
    try:
        plan = adapter.validate_json(json.dumps(stored), strict=True)
    except ValidationError as error:
        raise UserError(
            f"{path} is not the plan of a run of this version: {printable(explain(error))[:200]}; {NEW_RUN}"
        ) from None
    if adapter.dump_python(plan, mode="json") != stored or not (plan.models and plan.threads and plan.precisions):
        raise UserError(f"{path} is not the plan of a run of this version, as it holds more or less: {NEW_RUN}")
    return plan


def _shown(value: object) -> str:
    """Return a field's value as its flag takes it."""
    match value:
        case Weights():
            return " ".join(value.flags()[-1:]) or "0"
        case (int(height), int(width)):
            return f"{height}x{width}"
        case list() | tuple():
            return ",".join(map(str, value))
    return str(value)


def rounds(cases: Sequence[Case], repeats: int) -> list[tuple[int, Case]]:
    """Return every case once a round, there and back again."""
    return [(number, case) for number in range(repeats) for case in (cases if number % 2 == 0 else reversed(cases))]


def outcome(record: Record) -> str:
    """Say in one line what came of a measurement."""
    if record.error is not None:
        return f"failed: {printable(record.error.reason)}"
    disturbed = f"; disturbed: {', '.join(map(printable, record.disturbed))}" if record.disturbed else ""
    return f"{record.median:.1f} ± {record.spread:.1f} ms in {len(record.totals)} runs{disturbed}"


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keep other benchmarks out of a folder. The lock goes with the process, however that ends.

    Raises:
        UserError: One is in there.
    """
    try:
        file = (folder / LOCK).open("a+", encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot write to {folder}: {error.strerror}; choose another folder with --output") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip()
            raise UserError(
                f"{folder} is in use by another benchmark{f' (process {holder})' if holder else ''}: "
                "wait for it, or choose another folder with --output"
            ) from None
        with suppress(OSError):  # a full disk keeps nobody from reading what was measured
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
        yield
