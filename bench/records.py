"""The benchmark's raw material: one JSON line a measurement, appended the moment it exists."""

import json
import os
import statistics
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

from minivlm.errors import UserError

FORMAT = 1


@dataclass(frozen=True)
class Record:
    """One model on one runtime: every sample, and what is needed to judge and repeat it.

    Attributes:
        model: A name of the registry.
        runtime: "pytorch" or "executorch".
        precision: Such as "fp32".
        threads: Threads that the runtime said it used.
        threads_asked: Threads asked for.
        unit: Of the samples.
        samples: By stage, one number a run in the order of the runs; stages of a run are disjoint in time.
        load_ms: From nothing to a loaded model, weights read or made.
        first_ms: The first run, before any warm-up.
        inputs: By name, the shape of each input.
        photo: File name and SHA-256 of the photo the inputs come from.
        weights: Where the weights come from.
        artifact: SHA-256 of the artifact, None for PyTorch.
        environment: Machine and versions, see `bench.environment`.
        profile: Name of the measuring profile.
        time: When it was taken, ISO 8601 in UTC.
        format: Version of this schema.
    """

    model: str
    runtime: str
    precision: str
    threads: int
    threads_asked: int
    unit: str
    samples: Mapping[str, list[float]]
    load_ms: float
    first_ms: float
    inputs: Mapping[str, list[int]]
    photo: Mapping[str, str]
    weights: str
    artifact: str | None
    environment: Mapping[str, Any]
    profile: str
    time: str
    format: int = FORMAT

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
        totals = self.totals
        if len(totals) < 2:
            return 0.0
        quartiles = statistics.quantiles(totals, n=4, method="inclusive")
        return (quartiles[2] - quartiles[0]) / 2

    def to_json(self) -> str:
        """Return the record as one line."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, line: str) -> "Record":
        """Read one line.

        Raises:
            ValueError: Not a record of this format.
        """
        fields = json.loads(line)
        if not isinstance(fields, dict) or fields.get("format") != FORMAT:
            raise ValueError(f"not a record of format {FORMAT}")
        try:
            return cls(**fields)
        except TypeError as error:
            raise ValueError(str(error)) from None


def append(path: Path, record: Record) -> None:
    """Add a record to a file in one write that is on disk when this returns.

    Raises:
        UserError: The file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab+") as file:
            if file.tell() and not _ends_a_line(file):
                file.write(b"\n")  # what an interrupted write left must not swallow this record
            file.write(record.to_json().encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise UserError(f"cannot add to {path}: {error.strerror}; choose another folder with --output") from None


def _ends_a_line(file: BinaryIO) -> bool:
    file.seek(-1, os.SEEK_END)
    return file.read(1) == b"\n"


def read(path: Path) -> list[Record]:
    """Read every record of a file.

    Raises:
        UserError: The file cannot be read, or a line is no record; the message names the line.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read records from {path}: {error}") from None
    records = []
    for number, line in enumerate(lines, start=1):
        try:
            records.append(Record.from_json(line))
        except ValueError as error:
            raise UserError(f"{path}, line {number} is no record ({error}): remove the line or measure again") from None
    return records
