"""The benchmark's raw material: what is known about one repeat of a case, as one line of JSON."""

import json
import math
import statistics
from collections.abc import Mapping
from dataclasses import asdict, field, replace
from datetime import UTC, datetime
from functools import cache
from typing import Any, Literal, NamedTuple

from pydantic import TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from bench.records.accelerated import Accelerated
from bench.records.quantiles import percentile, spread
from bench.records.runtimes import default_place
from bench.records.values import (
    STRICT,
    Amount,
    Bytes,
    MetricValue,
    Milliseconds,
    Number,
    Planned,
    Rate,
    Seconds,
    Several,
    Share,
    Side,
)
from minivlm.errors import printable

FORMAT: Literal[2] = 2


@dataclass(frozen=True, config=STRICT)
class Failure:
    """Why there are no samples.

    Attributes:
        exit: Exit code of the process, negative for a signal; None where it was stopped, or never started.
        reason: In one line.
        stderr: The last lines that it wrote.
    """

    exit: int | None
    reason: str
    stderr: list[str] = field(default_factory=list)


@dataclass(frozen=True, config=STRICT)
class Memory:
    """Bytes of memory.

    Attributes:
        peak_bytes: Most that was resident at once, from before the model was loaded to the last run.
        baseline_bytes: Resident before the model was loaded: interpreter, libraries and inputs; None where it is not
            told.
        planned_bytes: What the runtime plans for activations by its own account; None where it has no such value.
    """

    peak_bytes: Bytes
    baseline_bytes: Bytes | None
    planned_bytes: Planned | None = None


@dataclass(frozen=True, config=STRICT)
class Counts:
    """Parameters with BatchNorm running statistics, and multiply-adds of one run at the inputs that were measured."""

    params: Amount
    macs: Amount


@dataclass(frozen=True, config=STRICT)
class MachineRates:
    """What this machine does at best with as many threads: fp32 matrix products, and reading memory."""

    gmac_per_s: Rate
    gb_per_s: Rate


@dataclass(frozen=True, config=STRICT)
class ArtifactFile:
    """The file that was run.

    Attributes:
        name: File name.
        bytes: Size.
        sha256: In hexadecimal.
        delegated: By method, the share of the multiply-adds that the accelerated backend runs.
        parity: By "method value", how exact the file is, from its sidecar.
    """

    name: str
    bytes: Bytes
    sha256: str
    delegated: Mapping[str, Share] = field(default_factory=dict)
    parity: Mapping[str, MetricValue] = field(default_factory=dict)


class Case(NamedTuple):
    """What is measured again in every round; the threads are those asked for.

    The last three are empty where there is nothing to choose: see `Record`.
    """

    device: str
    model: str
    runtime: str
    precision: str
    threads: int
    phone: str = ""
    accelerator: str = ""
    method: str = ""

    def __str__(self) -> str:
        names = f"{self.model}{f' {self.method}' if self.method else ''}, {self.runtime}, {self.precision}"
        where = ", ".join(("", *filter(None, (self.accelerator, self.phone))))
        return printable(f"{names}, {self.threads} thread{'s' * (self.threads != 1)}{where}")


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Record:
    """One repeat of one case in a process of its own: every sample, and what is needed to judge and repeat it.

    Attributes:
        run: Id of the benchmark's invocation.
        round: Which repeat, from 0; the cases of a round are measured one after another, or in turns.
        status: "failed" has an error, no samples, and None for every value that was not reached.
        device: Kind of device.
        model: A name of the registry.
        runtime: Such as "pytorch" or "executorch".
        precision: Such as "fp32".
        threads_asked: Threads asked for; 0 leaves them to the runtime.
        inputs: By name, the shape of each input.
        photo: "name" and "sha256" of the photo the inputs come from.
        environment: Machine, load and versions, see `bench.machine.environment`.
        profile: Name of the measuring profile.
        time: When it was taken, ISO 8601 in UTC.
        error: Of a failed one.
        threads: Threads that the runtime said it used; None where it does not tell.
        affinity: Cores that the process was bound to; None where it was free.
        unit: Of the samples.
        samples: By stage, one number a run in the order of the runs; stages of a run are disjoint in time.
        tokens: How many tokens the stage "steps" writes.
        load_ms: From nothing to a loaded model, weights read or made.
        first_ms: The first run, before any warm-up.
        memory: Of the process.
        counts: What a run computes.
        machine: Rates of the machine, measured in the same round.
        artifact: None where PyTorch runs the model itself.
        weights: Where the weights come from.
        disturbed: What went on beside the measurement, a line each; nothing where it was undisturbed.
        sustained: Seconds since the start and milliseconds of every run of a long measurement.
        phone: Which of the phones that one run measures; empty where a run has one machine.
        accelerator: That was asked for, such as "npu", or Core ML's compute units; empty where a runtime takes its only
            one.
        method: Of an artifact with several, where one is measured alone; empty where a run calls what it needs.
        layers: By compute unit, how many layers ran there; empty where it is not told.
        accelerated: What the accelerator had of it; None on the CPU, and where it is not told.
        turns: How many processes of one run took turns, this one included; 1 where they came one after another.
        format: Version of this schema.
    """

    run: str
    round: Number
    status: Literal["ok", "failed"]
    device: str
    model: str
    runtime: str
    precision: str
    threads_asked: Number
    inputs: Mapping[str, list[Side]]
    photo: Mapping[str, str]
    environment: Mapping[str, Any]
    profile: str
    time: str
    error: Failure | None = None
    threads: Several | None = None
    affinity: list[Number] | None = None
    unit: Literal["ms"] = "ms"
    samples: Mapping[str, list[Milliseconds]] = field(default_factory=dict)
    tokens: Several | None = None
    load_ms: Milliseconds | None = None
    first_ms: Milliseconds | None = None
    memory: Memory | None = None
    counts: Counts | None = None
    machine: MachineRates | None = None
    artifact: ArtifactFile | None = None
    weights: str = ""
    disturbed: list[str] = field(default_factory=list)
    sustained: list[tuple[Seconds, Milliseconds]] | None = None
    phone: str = ""
    accelerator: str = ""
    method: str = ""
    layers: Mapping[str, Number] = field(default_factory=dict)
    accelerated: Accelerated | None = None
    turns: Several = 1
    format: Literal[2] = FORMAT

    def __post_init__(self) -> None:
        _check_finite(self.environment)
        _ = self.taken
        lengths = {len(samples) for samples in self.samples.values()}
        if self.status == "failed":
            if self.error is None or lengths:
                raise ValueError("a failed record has an error and no samples")
        elif self.error is not None or len(lengths) != 1 or 0 in lengths:
            raise ValueError("a record that is ok has equally many samples for every stage, and no error")

    @property
    def ok(self) -> bool:
        """Whether there are samples."""
        return self.status == "ok"

    @property
    def taken(self) -> datetime:
        """When it was taken; a time without a zone is taken for UTC."""
        try:
            found = datetime.fromisoformat(self.time)
            return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError):
            raise ValueError(f"time {self.time!r} is not ISO 8601") from None

    @property
    def case(self) -> Case:
        """What this is a repeat of; records from before there was a choice have the one that all had."""
        asked = (self.device, self.model, self.runtime, self.precision, self.threads_asked)
        return Case(*asked, self.phone, self.accelerator or default_place(self.runtime), self.method)

    @property
    def totals(self) -> list[float]:
        """Time of each run, all stages together."""
        return [sum(stages) for stages in zip(*self.samples.values(), strict=True)]

    @property
    def median(self) -> float:
        """Median time of a run."""
        return statistics.median(self.totals)

    @property
    def spread(self) -> float:
        """Half the distance between the quartiles of the runs' times."""
        return spread(self.totals)

    def percentile(self, percent: float) -> float:
        """Time that so many percent of the runs do not exceed; see `percentile`."""
        return percentile(self.totals, percent)

    @property
    def machine_name(self) -> str:
        """What it was measured on: the phone, or the processor."""
        names = (self.environment.get(name) for name in ("phone", "cpu"))
        return next((str(name) for name in names if name), "an unknown machine")

    @property
    def tokens_per_second(self) -> float | None:
        """Tokens written in a second of the stage "steps", by its median."""
        if self.tokens is None or "steps" not in self.samples:
            return None
        return self.tokens / statistics.median(self.samples["steps"]) * 1e3

    def to_json(self) -> str:
        """Return the record as one line."""
        return json.dumps(asdict(self), separators=(",", ":"), allow_nan=False)

    @classmethod
    def from_json(cls, line: str) -> "Record":
        """Read one line.

        Raises:
            ValueError: Not a record of this format; the message is one line.
        """
        try:
            fields = json.loads(line)
        except RecursionError:
            raise ValueError("nested too deep") from None
        if not isinstance(fields, dict) or "format" not in fields:
            raise ValueError("no JSON object with a format")
        if fields["format"] != FORMAT:
            raise ValueError(f"format {fields['format']!r}, and this program reads format {FORMAT}")
        try:
            return _reader().validate_json(line)
        except ValidationError as error:
            raise ValueError(explain(error)) from None


def failed_instead(record: Record, failure: Failure) -> Record:
    """Return the failed repeat that would have been this one."""
    values = ("threads", "tokens", "load_ms", "first_ms", "memory", "counts", "machine", "artifact", "sustained")
    nothing = dict.fromkeys((*values, "accelerated"))
    return replace(record, status="failed", error=failure, samples={}, disturbed=[], weights="", layers={}, **nothing)  # type: ignore[arg-type]


def explain(error: ValidationError) -> str:
    """Say in one line what is wrong with a record."""
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    said = first["msg"].removeprefix("Value error, ")
    return f"{place}: {said}" if place else said


def _check_finite(value: Any) -> None:
    """Refuse numbers that JSON has no words for, wherever they are.

    Raises:
        ValueError: There is one.
    """
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"environment has the number {value}")
    for part in value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ():
        _check_finite(part)


@cache
def _reader() -> TypeAdapter[Record]:
    return TypeAdapter(Record)
