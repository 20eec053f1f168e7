"""What the iOS app writes is what the benchmark reads: tests/fixtures/records/ios.jsonl was written by Swift."""

from pathlib import Path

from bench.records.record import Record

FIXTURE = Path(__file__).parents[1] / "fixtures" / "records" / "ios.jsonl"


def records() -> list[Record]:
    return [Record.from_json(line) for line in FIXTURE.read_text(encoding="utf-8").splitlines()]


def test_a_measured_record_has_its_samples() -> None:
    """Expected: the metrics in ios_demo/MiniVLMCoreTests/RecordTests.swift, added up by hand."""
    record = records()[0]
    assert record.ok
    assert (record.device, record.model, record.runtime, record.precision) == ("ios", "minivlm", "executorch", "fp32")
    assert (record.threads, record.threads_asked, record.tokens) == (6, 0, 19)
    assert record.totals == [215.75, 218.5]
    assert record.tokens_per_second == 19 / 95.75 * 1e3
    assert record.memory is not None
    assert record.memory.peak_bytes == 600_000_000
    assert record.artifact is not None
    assert record.artifact.name == "minivlm-executorch-fp32.pte"
    assert record.environment["battery"] is None
    assert record.environment["versions"] == {"app": "0.1.0"}
    assert record.disturbed == ["thermal state fair before the first run"]


def test_a_failed_record_has_the_reason() -> None:
    record = records()[1]
    assert not record.ok
    assert record.error is not None
    assert record.error.reason == "Core ML cannot load tee-0-coreml-fp16.mlpackage: export it again"
    assert record.error.exit is None
    assert record.samples == {}


def test_a_record_of_core_ml_names_its_compute_units() -> None:
    """Expected: those of ios_demo/MiniVLMCoreTests/RecordTests.swift; XNNPACK has none to name."""
    assert [record.accelerator for record in records()] == ["", "cpu-and-ne"]
