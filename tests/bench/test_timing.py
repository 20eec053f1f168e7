"""How often stages run, told by a clock that only the stages move."""

from types import SimpleNamespace

import pytest

from bench import timing
from bench.timing import PROFILES, Profile, measure


class Machine:
    """A clock in seconds, and stages that take a given time each and note that they ran."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        self.ran: list[str] = []
        monkeypatch.setattr(timing, "time", SimpleNamespace(perf_counter=lambda: self.now))

    def stage(self, name: str, seconds: float, first: float = 0.0) -> timing.Stage:
        """A stage; its first run takes `first` seconds more."""

        def call() -> None:
            self.now += seconds + (first if name not in self.ran else 0.0)
            self.ran.append(name)

        return name, call


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


def test_slow_runs_stop_at_the_least_number(machine):
    profile = Profile(warmup_runs=2, warmup_seconds=1.0, runs=5, seconds=3.0)
    timings = measure([machine.stage("run", 10.0)], profile)
    assert len(machine.ran) == 1 + 2 + 5
    assert timings.samples == {"run": [pytest.approx(10_000.0)] * 5}  # milliseconds


def test_fast_runs_go_on_for_the_least_time(machine):
    # A quarter and an eighth of a second are exact in binary: 1 s takes 4 warm-up runs, 3 s take 12 runs.
    profile = Profile(warmup_runs=2, warmup_seconds=1.0, runs=5, seconds=3.0)
    timings = measure([machine.stage("run", 0.25)], profile)
    assert len(machine.ran) == 1 + 4 + 12
    assert len(timings.samples["run"]) == 12


def test_the_very_first_run_is_kept_apart(machine):
    profile = Profile(warmup_runs=0, warmup_seconds=0.0, runs=3, seconds=0.0)
    timings = measure([machine.stage("run", 0.125, first=1.0)], profile)
    assert timings.first == pytest.approx(1125.0)
    assert timings.samples["run"] == pytest.approx([125.0] * 3)


def test_stages_take_turns_and_are_timed_apart(machine):
    profile = Profile(warmup_runs=0, warmup_seconds=0.0, runs=2, seconds=0.0)
    timings = measure([machine.stage("regions", 0.5, first=1.0), machine.stage("fusion", 0.25)], profile)
    assert machine.ran == ["regions", "fusion"] * 3
    assert timings.first == pytest.approx(1750.0)
    assert timings.samples == {"regions": pytest.approx([500.0] * 2), "fusion": pytest.approx([250.0] * 2)}


def test_the_quick_profile_is_quicker_in_every_way():
    quick, normal = PROFILES["quick"], PROFILES["normal"]
    assert quick.warmup_runs <= normal.warmup_runs
    assert quick.warmup_seconds <= normal.warmup_seconds
    assert quick.runs < normal.runs
    assert quick.seconds < normal.seconds
