"""One repeat of one combination, in this process: load, first run, warm-up, runs that count, memory, disturbances."""

import time
from collections.abc import Callable
from pathlib import Path

from bench.machine import memory
from bench.machine.disturbance import disturbances, snapshot
from bench.machine.environment import available_cores, environment, now
from bench.measure.request import Request
from bench.measure.timing import PROFILES, Profile, Stop, by_second, repeat, run_once
from bench.measure.workloads import prepare
from bench.records import ArtifactFile, Memory, Record
from export.sidecar import Sidecar
from minivlm.files import sha256


def perform(request: Request, alive: Callable[[], None]) -> Record:
    """Measure.

    Args:
        request: What.
        alive: Called whenever something is finished, so that others know that nothing hangs.

    Raises:
        UserError: The model or the artifact cannot be had.
    """
    described = environment()  # before this process makes load of its own
    profile = PROFILES[request.profile]
    prepared = prepare(request)
    baseline = memory.resident()
    memory.forget_peak()
    start = time.perf_counter()
    loaded = prepared.load()
    load_ms = (time.perf_counter() - start) * 1e3
    alive()
    workload = prepared.workload(loaded)
    stages = workload.run.stages
    first_ms = 0.0
    for stage in stages:  # each may compile for minutes
        first_ms += sum(run_once([stage]))
        alive()
    repeat(stages, profile.warmup, alive)
    before = snapshot()
    timings = repeat(stages, steady_stop(profile, request.sustained), alive)
    after = snapshot()
    peak = memory.peak()
    counts = workload.count()
    return Record(
        run=request.run,
        round=request.round,
        status="ok",
        device="cpu",
        model=request.model,
        runtime=request.runtime,
        precision=request.precision,
        threads=workload.threads,
        threads_asked=request.threads,
        affinity=request.affinity,
        samples=timings.samples,
        tokens=workload.run.tokens,
        load_ms=load_ms,
        first_ms=first_ms,
        memory=Memory(peak, baseline, workload.planned()),
        counts=counts,
        artifact=describe_artifact(Path(request.artifact)) if request.artifact else None,
        inputs=workload.run.inputs,
        photo=describe_photo(Path(request.photo)),
        weights=workload.weights,
        environment=described,
        profile=request.profile,
        disturbed=disturbances(before, after, workload.threads, available_cores()),
        sustained=by_second(timings) if request.sustained else None,
        time=now(),
    )


def steady_stop(profile: Profile, sustained: float | None) -> Stop:
    """Return when to stop: as the profile says, or after so many minutes."""
    return profile.steady if sustained is None else Stop(profile.steady.least, sustained * 60.0)


def describe_photo(photo: Path) -> dict[str, str]:
    """Return what a record says about the photo."""
    return {"name": photo.name, "sha256": sha256(photo)}


def describe_artifact(artifact: Path) -> ArtifactFile:
    """Return what a record says about the artifact, of which the sidecar knows most."""
    sidecar = Sidecar.read(artifact)
    parity = {f"{method.name} {figure.name}": figure.value for method in sidecar.methods for figure in method.parity}
    delegated = {method.name: method.delegated_macs for method in sidecar.methods}
    return ArtifactFile(artifact.name, sidecar.bytes, sidecar.sha256, delegated, parity)
