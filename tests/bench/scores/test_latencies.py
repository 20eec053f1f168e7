"""A latency is one of the very file, or of the very weights in PyTorch."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from bench.records.record import ArtifactFile, Record
from bench.scores.latencies import Latency, latencies_of
from tests.bench.samples import FAILED, SAMPLE

REFERENCE: Any = SimpleNamespace(model=SAMPLE.model, origin=SimpleNamespace(description=SAMPLE.weights))
PLACE = "Example CPU, 4 threads"


def taken(ms: float, sha256: str) -> Record:
    return replace(SAMPLE, runtime="onnx", samples={"caption": [ms]}, artifact=ArtifactFile("a.onnx", 5, sha256))


def test_it_is_the_median_over_the_repeats_of_a_file() -> None:
    """Two repeats of 10 and 20 ms, and another file's."""
    found = latencies_of([taken(10.0, "a"), taken(20.0, "a"), taken(99.0, "b"), FAILED], REFERENCE)
    assert found == {"a": Latency(ms=15.0, timed=PLACE), "b": Latency(ms=99.0, timed=PLACE)}


def test_pytorch_s_is_of_the_same_model_and_weights() -> None:
    """Of the sample's three runs of 10, 12 and 11 ms the median is 11."""
    others = [
        replace(SAMPLE, weights="random (seed 1)", samples={"forward": [1.0]}),
        replace(SAMPLE, model="tee-1", samples={"forward": [1.0]}),
        replace(SAMPLE, runtime="pytorch-compiled", samples={"forward": [1.0]}),
    ]
    assert latencies_of([*others, SAMPLE], REFERENCE) == {None: Latency(ms=11.0, timed=PLACE)}


def test_every_machine_and_number_of_threads_is_told() -> None:
    found = latencies_of([SAMPLE, replace(SAMPLE, threads_asked=1)], REFERENCE)
    assert found[None].timed == f"{PLACE}; Example CPU, 1 thread"
