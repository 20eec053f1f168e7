"""One measurement in a process of its own: thread pools, caches and memory start fresh for each.

Reads a request as JSON on standard input and prints the record as the last line of standard output.
"""

import json
import sys
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench import environment, workloads
from bench.records import Record
from bench.timing import PROFILES, measure
from export.sidecar import Sidecar
from minivlm.console import quiet
from minivlm.errors import run_command
from minivlm.files import sha256
from minivlm.registry import load_model


@dataclass(frozen=True)
class Request:
    """What to measure.

    Attributes:
        artifact: File to run; None runs PyTorch.
        checkpoint: Folder with weights; None takes random ones.
    """

    model: str
    runtime: str
    precision: str
    threads: int
    photo: str
    profile: str
    artifact: str | None = None
    checkpoint: str | None = None
    seed: int = 0

    def to_json(self) -> str:
        """Return the request as one line."""
        return json.dumps(asdict(self))


def perform(request: Request) -> Record:
    """Load, warm up, measure."""
    photo = Path(request.photo)
    started = time.perf_counter()
    model = load_model(request.model, checkpoint=request.checkpoint, seed=request.seed)
    if request.artifact is None:
        checkpoint = Path(request.checkpoint) if request.checkpoint else None
        workload = workloads.pytorch_workload(model, photo, request.threads, checkpoint)
    else:
        started = time.perf_counter()  # an artifact needs no PyTorch model; it is here for its inputs only
        workload = workloads.executorch_workload(model, photo, request.threads, Path(request.artifact))
    load_ms = (time.perf_counter() - started) * 1e3
    timings = measure(workload.stages, PROFILES[request.profile])
    return Record(
        model=model.name,
        runtime=request.runtime,
        precision=request.precision,
        threads=workload.threads,
        threads_asked=request.threads,
        unit="ms",
        samples=timings.samples,
        load_ms=load_ms,
        first_ms=timings.first,
        inputs=workload.inputs,
        photo={"name": photo.name, "sha256": sha256(photo)},
        weights=Sidecar.read(Path(request.artifact)).weights.description
        if request.artifact
        else model.origin.description,
        artifact=sha256(Path(request.artifact)) if request.artifact else None,
        environment=environment.environment(),
        profile=request.profile,
        time=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def main() -> None:
    """Run the worker."""
    request = Request(**json.load(sys.stdin))
    with quiet():
        record = perform(request)
    print(record.to_json())


if __name__ == "__main__":
    run_command(main)
