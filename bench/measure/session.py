"""One invocation of the benchmark: its folder is its own, its records survive whatever happens, it can be continued."""

import fcntl
import json
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.devices import Device
from bench.records.file import append, read_kept
from bench.records.record import Combination, Record
from bench.records.runs import once
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
        flags: Its command line, by name.
        weights: Where its weights came from when it began; None where that is not known yet.
    """

    folder: Path
    run: str
    flags: dict[str, Any]
    weights: str | None = None

    @classmethod
    def new(cls, folder: Path, flags: dict[str, Any]) -> "Session":
        """Return a new run."""
        return cls(folder, f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}", flags)

    @classmethod
    def last(cls, folder: Path, given: dict[str, Any]) -> "Session":
        """Return the last run of a folder, to continue it.

        Args:
            folder: Of the records.
            given: Flags of this command line, which must agree with those of the run.

        Raises:
            UserError: There is nothing to continue, or the flags differ.
        """
        path = folder / PLAN
        if not exists(path):
            raise UserError(f"nothing to resume in {folder}: start a run without --resume")
        stored = read_object(path, "the plan of a run", NEW_RUN)
        run, flags = stored.get("run"), stored.get("flags")
        weights = stored.get("weights")
        if not isinstance(run, str) or not isinstance(flags, dict) or not isinstance(weights, str | None):
            raise UserError(f"{path} is not the plan of a run, as it has no run with flags and weights: {NEW_RUN}")
        for name, value in given.items():
            if flags.get(name) != value:
                raise UserError(
                    f"--{name} {value} differs from the run in {folder}, which has {flags.get(name)}: "
                    "leave the flag out, or start a new run without --resume"
                )
        return cls(folder, run, flags, weights)

    def with_weights(self, weights: str) -> "Session":
        """Return the run with the weights that it measures.

        Args:
            weights: `minivlm.weights.loading.WeightsOrigin.description`, which says which they are.

        Raises:
            UserError: It began with others.
        """
        if self.weights not in (None, weights):
            raise UserError(
                f"the weights are {weights}, and the run in {self.folder} began with {self.weights}: "
                f"put those back, or {NEW_RUN}"
            )
        return replace(self, weights=weights)

    def begin(self) -> None:
        """Write down what is needed to continue this run.

        Raises:
            UserError: The folder cannot be written, or its file of records holds something else.
        """
        read_kept(self.path)
        stored: dict[str, Any] = {"run": self.run, "flags": self.flags}
        if self.weights is not None:
            stored["weights"] = self.weights
        write_text(self.folder / PLAN, json.dumps(stored, indent=2) + "\n")

    @property
    def path(self) -> Path:
        """File of the records."""
        return self.folder / RECORDS

    def records(self) -> list[Record]:
        """Return what this run has so far: the last record of every combination and round."""
        return once(record for record in read_kept(self.path) if record.run == self.run)

    def measure(self, device: Device, repeats: int, steps: Steps) -> None:
        """Measure what is missing or has failed, in rounds, every second one backwards.

        Drift of the machine then hits all combinations alike.
        """
        done = {(record.round, record.combination) for record in self.records() if record.ok}
        tasks = [task for task in rounds(device.combinations(), repeats) if task not in done]
        if not tasks:
            steps.say("nothing is missing")
            return
        device.prepare()
        for place, (number, combination) in enumerate(tasks, start=1):
            steps.say(f"  [{place}/{len(tasks)}] round {number + 1} of {repeats}: {combination} ...")
            record = device.measure(combination, self.run, number)
            append(self.path, record)
            steps.say(f"    {outcome(record)}")


def rounds(combinations: Sequence[Combination], repeats: int) -> list[tuple[int, Combination]]:
    """Return every combination once a round, there and back again."""
    return [
        (number, combination)
        for number in range(repeats)
        for combination in (combinations if number % 2 == 0 else reversed(combinations))
    ]


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
