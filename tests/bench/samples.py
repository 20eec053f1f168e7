"""Records made by hand."""

from bench.records.record import Counts, Failure, MachineRates, Memory, Record
from bench.records.scores import ScoreRecord

SAMPLE = Record(
    run="20260102-030405-0000",
    round=0,
    status="ok",
    device="cpu",
    model="tee-0",
    runtime="pytorch",
    precision="fp32",
    threads=4,
    threads_asked=4,
    samples={"forward": [10.0, 12.0, 11.0]},
    load_ms=100.0,
    first_ms=50.0,
    memory=Memory(peak_bytes=300_000_000, baseline_bytes=200_000_000),
    counts=Counts(params=7_500_000, macs=4_400_000_000),
    machine=MachineRates(gmac_per_s=800.0, gb_per_s=40.0),
    inputs={"image": [1, 3, 512, 512], "extent": [2]},
    photo={"name": "china.jpg", "sha256": "ab" * 32},
    weights="random (seed 0)",
    environment={"cpu": "Example CPU", "cores": 4},
    profile="normal",
    time="2026-01-02T03:04:05+00:00",
)
FAILED = Record(
    run=SAMPLE.run,
    round=0,
    status="failed",
    error=Failure(exit=-11, reason="killed by signal 11", stderr=["Segmentation fault"]),
    device="cpu",
    model="tee-0",
    runtime="executorch",
    precision="fp32",
    threads_asked=4,
    inputs={},
    photo=SAMPLE.photo,
    environment=SAMPLE.environment,
    profile="normal",
    time=SAMPLE.time,
)

SCORE = ScoreRecord(
    row="pytorch fp32",
    model="minivlm-tiny",
    weights="random (seed 0)",
    data="test",
    task="vqa",
    examples=8,
    values={"accuracy": 0.75},
    score=0.75,
    low=0.5,
    high=0.875,
)
