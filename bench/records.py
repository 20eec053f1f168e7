"""The benchmark's raw material: what is known about one repeat of a combination, as one line of JSON."""

import json
import statistics
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import Any, ClassVar, Literal, NamedTuple

from pydantic import ConfigDict, TypeAdapter, ValidationError

FORMAT: Literal[2] = 2
STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


@dataclass(frozen=True)
class Failure:
    """Why there are no samples.

    Attributes:
        exit: Exit code of the process, negative for a signal; None where it was stopped, or never started.
        reason: In one line.
        stderr: The last lines that it wrote.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    exit: int | None
    reason: str
    stderr: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Memory:
    """Bytes of memory.

    Attributes:
        peak_bytes: Most that was resident at once, from before the model was loaded to the last run.
        baseline_bytes: Resident before the model was loaded: interpreter, libraries and inputs.
        planned_bytes: What the runtime plans for activations by its own account; None where it has no such figure.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    peak_bytes: int
    baseline_bytes: int
    planned_bytes: int | None = None


@dataclass(frozen=True)
class Counts:
    """Parameters with BatchNorm running statistics, and multiply-adds of one run at the inputs that were measured."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    params: int
    macs: int


@dataclass(frozen=True)
class MachineRates:
    """What this machine does at best with as many threads: fp32 matrix products, and reading memory."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    gmac_per_s: float
    gb_per_s: float


@dataclass(frozen=True)
class ArtifactFile:
    """The file that was run.

    Attributes:
        name: File name.
        bytes: Size.
        sha256: In hexadecimal.
        delegated: By method, the share of the multiply-adds that the accelerated backend runs.
        parity: By "method figure", how exact the file is, from its sidecar.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    name: str
    bytes: int
    sha256: str
    delegated: Mapping[str, float] = field(default_factory=dict)
    parity: Mapping[str, float] = field(default_factory=dict)


class Combination(NamedTuple):
    """What is measured again in every round; the threads are those asked for."""

    device: str
    model: str
    runtime: str
    precision: str
    threads: int

    def __str__(self) -> str:
        return f"{self.model}, {self.runtime}, {self.precision}, {self.threads} thread{'s' * (self.threads != 1)}"


@dataclass(frozen=True, kw_only=True)
class Record:
    """One repeat of one combination in a process of its own: every sample, and what is needed to judge and repeat it.

    Attributes:
        run: Id of the benchmark's invocation.
        round: Which repeat, from 0; the combinations of a round are measured one after another.
        status: "failed" has an error, no samples, and None for every figure that was not reached.
        device: Kind of device.
        model: A name of the registry.
        runtime: Such as "pytorch" or "executorch".
        precision: Such as "fp32".
        threads_asked: Threads asked for.
        inputs: By name, the shape of each input.
        photo: "name" and "sha256" of the photo the inputs come from.
        environment: Machine, load and versions, see `bench.machine.environment`.
        profile: Name of the measuring profile.
        time: When it was taken, ISO 8601 in UTC.
        error: Of a failed one.
        threads: Threads that the runtime said it used.
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
        format: Version of this schema.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    run: str
    round: int
    status: Literal["ok", "failed"]
    device: str
    model: str
    runtime: str
    precision: str
    threads_asked: int
    inputs: Mapping[str, list[int]]
    photo: Mapping[str, str]
    environment: Mapping[str, Any]
    profile: str
    time: str
    error: Failure | None = None
    threads: int | None = None
    affinity: list[int] | None = None
    unit: str = "ms"
    samples: Mapping[str, list[float]] = field(default_factory=dict)
    tokens: int | None = None
    load_ms: float | None = None
    first_ms: float | None = None
    memory: Memory | None = None
    counts: Counts | None = None
    machine: MachineRates | None = None
    artifact: ArtifactFile | None = None
    weights: str = ""
    disturbed: list[str] = field(default_factory=list)
    sustained: list[tuple[float, float]] | None = None
    format: Literal[2] = FORMAT

    def __post_init__(self) -> None:
        lengths = {len(samples) for samples in self.samples.values()}
        if self.status == "failed":
            if self.error is None or lengths:
                raise ValueError("a failed record has an error and no samples")
        elif self.error is not None or self.threads is None or len(lengths) != 1 or 0 in lengths:
            raise ValueError("a record that is ok has threads, equally many samples for every stage, and no error")

    @property
    def ok(self) -> bool:
        """Whether there are samples."""
        return self.status == "ok"

    @property
    def combination(self) -> Combination:
        """What this is a repeat of."""
        return Combination(self.device, self.model, self.runtime, self.precision, self.threads_asked)

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
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            raise ValueError(f"{place}: {first['msg']}" if place else first["msg"]) from None


@cache
def _reader() -> TypeAdapter[Record]:
    return TypeAdapter(Record)


def percentile(values: list[float], percent: float) -> float:
    """Return the value that so many percent do not exceed, between two neighbours in proportion (numpy's "linear")."""
    ordered = sorted(values)
    place = (len(ordered) - 1) * percent / 100.0
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def spread(values: list[float]) -> float:
    """Return half the distance between the quartiles; 0 of a single value."""
    return (percentile(values, 75.0) - percentile(values, 25.0)) / 2
