"""What is measured of process and machine: memory, rates, and the description of both."""

import json
import sys

import pytest

from bench.machine import memory
from bench.machine.environment import available_cores, environment
from bench.machine.rates import BANDWIDTH_BYTES, machine_rates
from bench.machine.rates_worker import respond


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux forgets peaks")
def test_a_peak_is_seen_after_it_is_gone_and_forgotten_when_asked():
    memory.forget_peak()
    before = memory.peak()
    block = bytearray(100_000_000)
    del block
    assert memory.peak() - before > 90_000_000
    memory.forget_peak()
    assert memory.peak() - before < 50_000_000


def test_resident_memory_is_that_of_a_python_with_torch():
    assert 50_000_000 < memory.resident() <= memory.peak() * 1.01


def test_rates_are_those_of_a_computer():
    """Between a slow phone's and far beyond any CPU's: a wrong unit would be off by a thousand."""
    rates = machine_rates(threads=1, seconds=0.0)
    assert 0.5 < rates.gmac_per_s < 20_000
    assert 0.2 < rates.gb_per_s < 2_000
    assert BANDWIDTH_BYTES >= 2**28


def test_a_process_answers_with_both_rates(monkeypatch):
    monkeypatch.setattr("bench.machine.rates.machine_rates", lambda threads: machine_rates(threads, seconds=0.0))
    answer = json.loads(respond(json.dumps({"threads": 1, "affinity": None}), lambda: None))
    assert answer.keys() == {"gmac_per_s", "gb_per_s"}


def test_the_environment_names_the_machine_and_is_plain_data():
    found = environment()
    assert found["cores"] == available_cores() >= 1
    assert found["cpu"]
    assert {"python", "torch", "executorch"} <= found["versions"].keys()
    assert json.loads(json.dumps(found)) == found
