"""The Android app writes records that this project reads; its own tests hold the same lines."""

import json
from pathlib import Path

from bench.records.record import Record
from bench.reporting.sweeps import thermal_states

FOLDER = Path(__file__).parents[1] / "fixtures" / "records"
LINES = (FOLDER / "android.jsonl").read_text().splitlines()


def test_a_repeat_that_went_well() -> None:
    record = Record.from_json(LINES[0])
    assert (record.device, record.model, record.runtime, record.precision) == (
        "android",
        "minivlm-tiny",
        "executorch",
        "fp32",
    )
    assert list(record.samples) == ["preprocess", "regions", "prefill", "steps"]
    assert record.totals == [4.0, 4.0, 4.0]  # the clock of the Kotlin test: 1 ms a stage
    assert record.tokens_per_second == 19_000.0
    assert record.memory is not None
    assert record.memory.peak_bytes == 250_000_000
    assert record.artifact is not None
    assert record.artifact.parity["regions SQNR dB"] == 123.5
    assert record.inputs == {"image": [1, 3, 32, 32]}


def test_a_repeat_that_failed() -> None:
    record = Record.from_json(LINES[1])
    assert not record.ok
    assert record.error is not None
    assert record.error.reason == "the program is of a newer version"
    assert record.round == 2


def test_a_long_measurement() -> None:
    record = Record.from_json(LINES[2])
    assert record.sustained == [(1.0, 4.0), (2.0, 4.0)]  # runs of 4 ms; the last ends within the second second
    assert thermal_states(record) == [(0.0, "none"), (1.008, "light")]


def test_nothing_is_lost_by_reading_and_writing() -> None:
    for line in LINES:
        expected = json.loads(line)
        written = json.loads(Record.from_json(line).to_json())
        assert {name: written[name] for name in expected} == expected


def test_a_record_of_the_gpu_names_it_and_what_ran_where() -> None:
    """Expected: android_demo/core/src/test/kotlin/org/minivlm/core/UnitsTest.kt, which wrote the line."""
    record = Record.from_json((FOLDER / "android_gpu.jsonl").read_text())
    assert (record.runtime, record.accelerator, record.case.accelerator) == ("litert", "gpu", "gpu")
    assert record.environment["units"] == {name: ["gpu", "cpu"] for name in ("regions", "prefill", "step")}
    assert "accelerator" not in json.loads(LINES[0]), "records of the CPU are as they were"
