"""How often something is run, and the clock."""

import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

Stage = tuple[str, Callable[[], object]]
"""A named part of one run."""


@dataclass(frozen=True)
class Stop:
    """When to stop: after at least so many runs and seconds, or after `cap` seconds if there are `least` runs by then.

    Attributes:
        runs: At least,
        seconds: and at least.
        cap: Seconds at which slow models stop early.
        least: Runs that even they make.
    """

    runs: int
    seconds: float
    cap: float = math.inf
    least: int = 1

    def among(self, processes: int) -> "Stop":
        """Return the same for one of so many processes that take turns: its seconds are theirs together."""
        return replace(self, seconds=self.seconds * processes, cap=self.cap * processes)

    def reached(self, runs: int, seconds: float) -> bool:
        """Tell whether so many runs in so many seconds are enough."""
        return (runs >= self.runs and seconds >= self.seconds) or (runs >= self.least and seconds >= self.cap)


@dataclass(frozen=True)
class Profile:
    """How thoroughly to measure.

    Attributes:
        warmup: Runs that do not count.
        steady: Runs that do.
        repeats: Processes for each case, one a round.
        headline: Percentile that stands for a case.
    """

    warmup: Stop
    steady: Stop
    repeats: int
    headline: float = 50.0


PROFILES: Mapping[str, Profile] = MappingProxyType(
    {
        "quick": Profile(Stop(runs=1, seconds=0.5), Stop(runs=3, seconds=2.0), repeats=1),
        "normal": Profile(
            Stop(runs=3, seconds=1.0, cap=10.0), Stop(runs=10, seconds=5.0, cap=30.0, least=3), repeats=3
        ),
        "mlperf": Profile(Stop(runs=5, seconds=1.0), Stop(runs=1024, seconds=60.0), repeats=1, headline=90.0),
    }
)
"""The last has the single-stream rules of MLPerf Mobile (mobile_inference_rules.adoc): 1024 samples and 60 s, 90th
percentile, and no early stop."""


@dataclass
class Timings:
    """Milliseconds of every run by stage, and when each run ended.

    Attributes:
        samples: One number a run in the order of the runs.
        ends: Seconds since the first of these runs began.
    """

    samples: dict[str, list[float]]
    ends: list[float] = field(default_factory=list)


def run_once(stages: Sequence[Stage]) -> list[float]:
    """Run all stages in order; returns the milliseconds of each."""
    elapsed = []
    for _, call in stages:
        start = time.perf_counter()
        call()
        elapsed.append((time.perf_counter() - start) * 1e3)
    return elapsed


def rewarmed(stages: Sequence[Stage], alive: Callable[[], bool]) -> Callable[[], None]:
    """Return what to call between runs so that whoever takes turns is not measured with cold caches.

    Args:
        stages: Of one run, made once more and not counted where others ran in between.
        alive: Called first; tells whether they did.
    """

    def between() -> None:
        if alive():
            run_once(stages)

    return between


def repeat(stages: Sequence[Stage], stop: Stop, alive: Callable[[], object]) -> Timings:
    """Run stages one after another, again and again.

    Args:
        stages: Of one run.
        stop: When it is enough.
        alive: Called after every run, outside of what is timed.
    """
    timings = Timings({name: [] for name, _ in stages})
    start = time.perf_counter()
    seconds = 0.0
    while not stop.reached(len(timings.ends), seconds):
        for samples, elapsed in zip(timings.samples.values(), run_once(stages), strict=True):
            samples.append(elapsed)
        seconds = time.perf_counter() - start
        timings.ends.append(seconds)
        alive()
    return timings


def by_second(timings: Timings) -> list[tuple[float, float]]:
    """Return latency over time: for every second in which runs ended, its end and their median in milliseconds."""
    totals = [sum(stages) for stages in zip(*timings.samples.values(), strict=True)]
    seconds: dict[int, list[float]] = {}
    for end, total in zip(timings.ends, totals, strict=True):
        seconds.setdefault(int(end), []).append(total)
    return [(second + 1.0, statistics.median(found)) for second, found in seconds.items()]
