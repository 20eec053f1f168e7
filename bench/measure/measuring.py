"""One repeat of one case, in this process: load, first run, warm-up, runs that count, memory, interference."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import is_dataclass
from pathlib import Path

import numpy as np
import torch

from bench.machine import memory
from bench.machine.environment import available_cores, environment, now
from bench.machine.interference import Snapshot, interference_between, snapshot, switches_between
from bench.measure.task import Task
from bench.measure.timing import PROFILES, Profile, Stage, Stop, by_second, repeat, rewarmed
from bench.measure.workloads import prepare
from bench.records.record import ArtifactFile, Memory, Record
from export.core.sidecar import Sidecar
from minivlm.errors import UserError
from minivlm.storage.files import sha256


def perform(task: Task, alive: Callable[[], bool]) -> Record:
    """Measure.

    Args:
        task: What.
        alive: Called whenever something is finished, so that others know that nothing hangs; tells whether processes
            that take turns with this one ran before it returned.

    Raises:
        UserError: The model or the artifact cannot be had.
    """
    described = environment()  # before this process makes load of its own
    plan, case = task.plan, task.case
    profile = PROFILES[plan.profile]
    prepared = prepare(task)
    baseline = memory.resident()
    memory.forget_peak()
    start = time.perf_counter()
    loaded = prepared.load()
    load_ms = (time.perf_counter() - start) * 1e3
    alive()
    workload = prepared.workload(loaded)
    stages = workload.run.stages
    first_ms = first_run(stages, alive)
    between = rewarmed(stages, alive) if task.turns > 1 else alive
    repeat(stages, profile.warmup, between)
    before = snapshot()
    timings = repeat(stages, steady_stop(profile, plan.sustained).among(task.turns), between)
    after = snapshot()
    peak = memory.peak()
    counts = workload.count()
    accelerated = workload.accelerated()
    return Record(
        run=task.run,
        round=task.round,
        status="ok",
        device="cpu",
        model=case.model,
        runtime=case.runtime,
        precision=case.precision,
        threads=workload.threads,
        threads_asked=case.threads,
        accelerator=case.accelerator,
        affinity=None if plan.affinity is None else list(plan.affinity),
        samples=timings.samples,
        tokens=workload.run.tokens,
        load_ms=load_ms,
        first_ms=first_ms,
        memory=Memory(peak, baseline, workload.planned()),
        counts=counts,
        artifact=None if task.artifact is None else describe_artifact(task.artifact),
        inputs=workload.run.inputs,
        photo=describe_photo(plan.photo),
        weights=workload.weights,
        environment=described,
        profile=plan.profile,
        disturbed=disturbances(before, after, workload.threads, task.turns),
        sustained=by_second(timings) if plan.sustained else None,
        accelerated=accelerated,
        turns=task.turns,
        time=now(),
    )


def first_run(stages: Sequence[Stage], alive: Callable[[], object]) -> float:
    """Run all stages for the first time, each of which may compile for minutes; returns the milliseconds of it.

    Raises:
        UserError: A stage gives something that is not a number: then what is measured is no work of the model's.
    """
    elapsed = 0.0
    for name, call in stages:
        start = time.perf_counter()
        found = call()
        elapsed += (time.perf_counter() - start) * 1e3
        if has_nan(found):
            raise UserError(f"the outputs of {name} are not numbers (NaN): look at the model and its weights")
        alive()
    return elapsed


def has_nan(value: object) -> bool:
    """Tell whether there is a NaN in tensors, arrays, and what holds them."""
    if isinstance(value, torch.Tensor):
        return bool(value.isnan().any())
    if isinstance(value, np.ndarray):
        return value.dtype.kind == "f" and bool(np.isnan(value).any())
    if is_dataclass(value):
        value = vars(value)
    parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
    return any(map(has_nan, parts))


def disturbances(before: Snapshot, after: Snapshot, threads: int, turns: int) -> list[str]:
    """Say what disturbed a measurement; of several that take turns the machine's part is judged for all together."""
    around = interference_between(before, after) if turns == 1 else []
    return around + switches_between(before, after, threads, available_cores())


def steady_stop(profile: Profile, sustained: float | None) -> Stop:
    """Return when to stop: as the profile says, or after so many minutes."""
    return profile.steady if sustained is None else Stop(profile.steady.least, sustained * 60.0)


def describe_photo(photo: Path) -> dict[str, str]:
    """Return what a record says about the photo."""
    return {"name": photo.name, "sha256": sha256(photo)}


def describe_artifact(artifact: Path) -> ArtifactFile:
    """Return what a record says about the artifact, of which the sidecar knows most."""
    sidecar = Sidecar.read(artifact)
    parity = {f"{method.name} {value.name}": value.value for method in sidecar.methods for value in method.parity}
    delegated = {method.name: method.delegated_macs for method in sidecar.methods}
    return ArtifactFile(artifact.name, sidecar.bytes, sidecar.sha256, delegated, parity)
