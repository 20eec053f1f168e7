"""What a comparison judges, in two tables: metrics that must agree, and quantities that scatter."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bench.records.record import Record


@dataclass(frozen=True)
class DeterministicMetric:
    """A metric that no repeat may change.

    Attributes:
        name: Shown to people.
        read: By name within it (empty where there is one metric only); empty where a record has none.
        bound: Largest difference as a share of the base's metric; 0 is exactly equal.
    """

    name: str
    read: Callable[[Record], Mapping[str, float]]
    bound: float


@dataclass(frozen=True)
class NoisyMetric:
    """A quantity that every repeat measures anew.

    Attributes:
        name: Shown to people.
        unit: Shown to people.
        read: A positive number; None where a record has none.
        floor: Smallest change worth reporting, as a share.
        less: What a smaller number is called.
        more: What a larger one is called; a regression.
    """

    name: str
    unit: str
    read: Callable[[Record], float | None]
    floor: float
    less: str = "faster"
    more: str = "slower"

    @property
    def log_floor(self) -> float:
        """The floor as a logarithm."""
        return math.log1p(self.floor)


DETERMINISTIC = (
    DeterministicMetric("params", lambda record: _present(record.counts.params if record.counts else None), bound=0.0),
    DeterministicMetric("MACs", lambda record: _present(record.counts.macs if record.counts else None), bound=0.0),
    # Serialisers store names and alignment, which a change of a path moves by some bytes.
    DeterministicMetric(
        "artifact bytes", lambda record: _present(record.artifact.bytes if record.artifact else None), bound=0.001
    ),
    DeterministicMetric(
        "delegated share", lambda record: record.artifact.delegated if record.artifact else {}, bound=1e-6
    ),
    DeterministicMetric(
        "planned memory", lambda record: _present(record.memory.planned_bytes if record.memory else None), bound=0.0
    ),
    # Sums in another order, by another number of threads, move the last digits of an error.
    DeterministicMetric("verification", lambda record: record.artifact.parity if record.artifact else {}, bound=0.05),
)
"""Deterministic metrics with how far they may move."""

NOISY = (
    NoisyMetric("latency", "ms", lambda record: record.median, floor=0.03),
    NoisyMetric("load time", "ms", lambda record: record.load_ms, floor=0.20),
    NoisyMetric(
        "peak memory",
        "MB",
        lambda record: record.memory.peak_bytes / 1e6 if record.memory else None,
        floor=0.05,
        less="less",
        more="more",
    ),
)
"""Quantities that are judged by their repeats. `docs/verdict.md` says where the floors come from."""


def _present(value: float | None) -> dict[str, float]:
    return {} if value is None else {"": value}
