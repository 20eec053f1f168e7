"""When a measurement calls itself disturbed, from snapshots made by hand."""

import resource
import subprocess
import sys
from dataclasses import replace

import pytest

from bench.machine import interference
from bench.machine.interference import Snapshot, interference_between, snapshot, switches_between

BEFORE = Snapshot(clock=100.0, busy=50.0, stolen=1.0, own=10.0, switches=0, throttled=0.0, frequency=3000.0)
QUIET = Snapshot(clock=110.0, busy=70.0, stolen=1.0, own=30.0, switches=100, throttled=0.0, frequency=2990.0)
"""Ten seconds on which this process kept two cores busy, with 10 switches a second."""


@pytest.fixture(autouse=True)
def _four_cores(monkeypatch):
    monkeypatch.setattr(interference.os, "cpu_count", lambda: 4)


def found(**changes) -> list[str]:
    after = replace(QUIET, **changes)
    return interference_between(BEFORE, after) + switches_between(BEFORE, after, threads=2, cores=4)


def test_an_undisturbed_one_says_nothing():
    assert found() == []


def test_other_processes_are_what_the_machine_did_beside_this_one():
    assert found(busy=75.0) == ["other processes kept 0.5 of 4 cores busy"]
    assert found(busy=71.0) == []  # 0.1 of a core of four


def test_a_hypervisor_s_share_is_of_all_cores():
    assert found(stolen=2.0) == ["the hypervisor took 2% of the time"]  # 1 s of 40


def test_switches_count_unless_there_are_more_threads_than_cores():
    assert found(switches=2000) == ["200 involuntary context switches a second"]
    assert switches_between(BEFORE, replace(QUIET, switches=20_000), threads=8, cores=4) == []


def test_a_throttled_container_is_named():
    assert found(throttled=0.5) == ["the container was throttled for 0.5 s of 10.0 s"]
    assert found(throttled=None) == []


def test_a_falling_clock_is_named_and_a_rising_one_is_not():
    assert found(frequency=2400.0) == ["the clock fell from 3000 to 2400 MHz"]
    assert found(frequency=3300.0) == []
    assert found(frequency=None) == []


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="adds up the seconds of this system's processes")
def test_children_that_have_ended_can_be_those_who_measure():
    before = snapshot(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", "sum(range(10**7))"], check=True)
    after = snapshot(resource.RUSAGE_CHILDREN)
    assert after.own > before.own
    assert snapshot().own > 0.0


def test_counters_only_grow():
    first = snapshot()
    sum(range(10**6))
    second = snapshot()
    assert second.clock > first.clock
    assert second.busy >= first.busy
    assert second.own > first.own
    assert second.switches >= first.switches
