"""Records made by hand."""

from bench.records import Record

SAMPLE = Record(
    model="tee-0",
    runtime="pytorch",
    precision="fp32",
    threads=4,
    threads_asked=4,
    unit="ms",
    samples={"forward": [10.0, 12.0, 11.0]},
    load_ms=100.0,
    first_ms=50.0,
    inputs={"image": [1, 3, 512, 512], "extent": [2]},
    photo={"name": "china.jpg", "sha256": "ab" * 32},
    weights="random (seed 0)",
    artifact=None,
    environment={"cpu": "Example CPU", "cores": 4},
    profile="normal",
    time="2026-01-02T03:04:05+00:00",
)
