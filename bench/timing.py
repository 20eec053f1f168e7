"""How often something is run, and the clock."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

Stage = tuple[str, Callable[[], object]]
"""A named part of one run."""


@dataclass(frozen=True)
class Profile:
    """A stop rule: at least so many runs and at least so many seconds, both for warm-up and for what counts."""

    warmup_runs: int
    warmup_seconds: float
    runs: int
    seconds: float


PROFILES: Mapping[str, Profile] = MappingProxyType(
    {
        "quick": Profile(warmup_runs=1, warmup_seconds=0.5, runs=3, seconds=2.0),
        "normal": Profile(warmup_runs=3, warmup_seconds=1.0, runs=10, seconds=10.0),
    }
)


@dataclass(frozen=True)
class Timings:
    """Milliseconds: the very first run, and by stage every run that counts."""

    first: float
    samples: Mapping[str, list[float]]


def measure(stages: Sequence[Stage], profile: Profile) -> Timings:
    """Run stages one after another, again and again, as a profile says."""
    first = sum(_run(stages))
    start = time.perf_counter()
    runs = 0
    while runs < profile.warmup_runs or time.perf_counter() - start < profile.warmup_seconds:
        _run(stages)
        runs += 1
    samples: dict[str, list[float]] = {name: [] for name, _ in stages}
    start = time.perf_counter()
    runs = 0
    while runs < profile.runs or time.perf_counter() - start < profile.seconds:
        for (name, _), elapsed in zip(stages, _run(stages), strict=True):
            samples[name].append(elapsed)
        runs += 1
    return Timings(first, samples)


def _run(stages: Sequence[Stage]) -> list[float]:
    elapsed = []
    for _, call in stages:
        start = time.perf_counter()
        call()
        elapsed.append((time.perf_counter() - start) * 1e3)
    return elapsed
