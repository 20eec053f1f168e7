"""How often stages run, told by a clock that only the stages move."""

from types import SimpleNamespace

import pytest

from bench.measure import timing
from bench.measure.timing import PROFILES, Stop, Timings, by_second, repeat, rewarmed, run_once


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


def nothing() -> None:
    pass


def test_slow_runs_stop_at_the_least_number(machine):
    timings = repeat([machine.stage("run", 10.0)], Stop(runs=5, seconds=3.0), nothing)
    assert timings.samples == {"run": [pytest.approx(10_000.0)] * 5}  # milliseconds


def test_fast_runs_go_on_for_the_least_time(machine):
    # A quarter of a second is exact in binary: 3 s take 12 runs.
    timings = repeat([machine.stage("run", 0.25)], Stop(runs=5, seconds=3.0), nothing)
    assert len(timings.samples["run"]) == 12
    assert timings.ends == [0.25 * run for run in range(1, 13)]


def test_very_slow_runs_stop_early_but_not_before_there_are_a_few(machine):
    stop = Stop(runs=10, seconds=5.0, cap=30.0, least=3)
    assert len(repeat([machine.stage("run", 8.0)], stop, nothing).ends) == 4
    assert len(repeat([machine.stage("run", 20.0)], stop, nothing).ends) == 3


def test_every_run_tells_that_it_is_done_outside_of_what_is_timed(machine):
    told = []

    def alive() -> None:
        machine.now += 100.0
        told.append(machine.now)

    timings = repeat([machine.stage("run", 0.5)], Stop(runs=3, seconds=0.0), alive)
    assert len(told) == 3
    assert timings.samples["run"] == pytest.approx([500.0] * 3)


def test_of_processes_that_take_turns_each_has_the_seconds_of_all():
    stop = Stop(runs=3, seconds=2.0, cap=5.0, least=2).among(4)
    assert stop == Stop(runs=3, seconds=8.0, cap=20.0, least=2)
    assert PROFILES["mlperf"].steady.among(1) == PROFILES["mlperf"].steady


def test_after_others_ran_one_run_does_not_count(machine):
    stages = [machine.stage("run", 0.5, first=1.0)]
    others_ran = iter([False, True, False, True])
    timings = repeat(stages, Stop(runs=4, seconds=0.0), rewarmed(stages, lambda: next(others_ran)))
    assert len(machine.ran) == 6
    assert timings.samples["run"] == pytest.approx([1500.0, 500.0, 500.0, 500.0])


def test_stages_take_turns_and_are_timed_apart(machine):
    timings = repeat([machine.stage("regions", 0.5), machine.stage("fusion", 0.25)], Stop(2, 0.0), nothing)
    assert machine.ran == ["regions", "fusion"] * 2
    assert timings.samples == {"regions": pytest.approx([500.0] * 2), "fusion": pytest.approx([250.0] * 2)}


def test_one_run_gives_the_milliseconds_of_each_stage(machine):
    assert run_once([machine.stage("run", 0.125, first=1.0), machine.stage("rest", 1.0)]) == [1125.0, 1000.0]


def test_latency_over_time_is_a_median_for_every_second_with_runs(machine):
    timings = Timings({"run": [300.0, 500.0, 100.0, 2000.0]}, [0.3, 0.8, 0.9, 2.9])
    assert by_second(timings) == [(1.0, 300.0), (3.0, 2000.0)]


class TestProfiles:
    def test_the_quick_one_is_quicker_in_every_way(self):
        quick, normal = PROFILES["quick"], PROFILES["normal"]
        for shorter, longer in ((quick.warmup, normal.warmup), (quick.steady, normal.steady)):
            assert shorter.runs < longer.runs
            assert shorter.seconds < longer.seconds
        assert quick.repeats < normal.repeats

    def test_mlperf_is_single_stream_of_the_mobile_rules(self):
        # mobile_inference_rules.adoc: at least 1024 samples and 60 s, 90th percentile.
        profile = PROFILES["mlperf"]
        assert (profile.steady.runs, profile.steady.seconds, profile.headline) == (1024, 60.0, 90.0)
        assert not profile.steady.reached(1023, 1e9)
        assert not profile.steady.reached(10**9, 59.9)
