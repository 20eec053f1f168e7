"""What one run of a model is on each runtime: the same inputs from the same photo everywhere."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from bench.measure.places import InPlace, load_in_place
from bench.measure.plan import Plan
from bench.measure.pytorch_runs import compiled_run, eager_run, part_method, shapes
from bench.measure.stages import CAPTION_TOKENS, CaptionRun, Run
from bench.measure.task import Task
from bench.measure.timing import run_once
from bench.records.accelerated import Accelerated
from bench.records.record import Case, Counts
from bench.records.runtimes import COMPILED, PYTORCH
from export.core.formats import format_of, import_runtime
from export.core.sidecar import Sidecar
from export.runtime.artifact_backend import backend_of
from minivlm.errors import UserError
from minivlm.images.photos import load_photo
from minivlm.models.costs import count_macs, count_params
from minivlm.models.registry import build
from minivlm.models.vision_language import VisionLanguageModel
from minivlm.weights.loading import NamedModel, WeightsOrigin, load_model

PYTORCH_RUNS = {PYTORCH: eager_run, COMPILED: compiled_run}
CAPTION_CALLS = {"regions": 1, "prefill": 1, "step": CAPTION_TOKENS}
"""Calls of a whole artifact's methods in one run."""
PART_CALLS = {"forward": 1}


@dataclass(frozen=True)
class Workload:
    """A loaded model and what is timed of it.

    Attributes:
        run: What is timed.
        threads: How many threads the runtime says it uses.
        weights: Where they come from.
        count: Counts what a run computes; it may take as long as a run.
        planned: Tells the runtime's own value of its memory in bytes, see `export.runtime.program.Program`.
        accelerated: Tells what an accelerator has of it; it may take as long as loading.
    """

    run: Run
    threads: int
    weights: str
    count: Callable[[], Counts]
    planned: Callable[[], int | None] = lambda: None
    accelerated: Callable[[], Accelerated | None] = lambda: None


@dataclass(frozen=True)
class Prepared:
    """Everything that is ready before a model is loaded, so that loading can be timed alone.

    Attributes:
        load: Loads the model.
        workload: Takes what `load` returned.
    """

    load: Callable[[], Any]
    workload: Callable[[Any], Workload]


def prepare(task: Task) -> Prepared:
    """Get a model ready to be loaded.

    Raises:
        UserError: The model or the artifact cannot be had.
    """
    return _prepare_pytorch(task) if task.artifact is None else _prepare_artifact(task, task.artifact)


def _prepare_pytorch(task: Task) -> Prepared:
    torch.set_num_threads(task.case.threads)
    plan = task.plan
    photo, checkpoint = plan.photo, plan.weights.checkpoint

    def load() -> NamedModel:
        return load_model(task.case.model, checkpoint=checkpoint, seed=plan.weights.seed)

    def workload(model: NamedModel) -> Workload:
        check_weights(plan, model.origin)

        def count() -> Counts:
            stages = eager_run(model, photo, checkpoint, plan.image_size).stages
            return Counts(count_params(model.module)[0], count_macs(lambda: run_once(stages))[0])

        run = PYTORCH_RUNS[task.case.runtime](model, photo, checkpoint, plan.image_size)
        return Workload(run, torch.get_num_threads(), model.origin.description, count)

    return Prepared(load, workload)


def _prepare_artifact(task: Task, artifact: Path) -> Prepared:
    """Nothing of the PyTorch model is built: its sizes are enough.

    PyTorch prepares the photo, in one thread: of several, those that have no more to do spin beside the runtime's.
    """
    torch.set_num_threads(1)
    import_runtime(format_of(artifact))  # now, because it is no part of loading
    sidecar = Sidecar.read(artifact)
    check_identity(task.case, sidecar)
    check_weights(task.plan, sidecar.weights)
    with torch.device("meta"):
        model = NamedModel(sidecar.model, build(sidecar.config), sidecar.weights)
    whole = isinstance(model.module, VisionLanguageModel)
    calls = CAPTION_CALLS if whole else PART_CALLS
    method = None if whole else part_method(model, task.plan.photo, sidecar.image_size)
    counts = artifact_counts(sidecar, model.module)

    def load() -> InPlace:
        placed = load_in_place(artifact, task.case)
        for name in calls:
            placed.program.load(name)
        return placed

    def workload(placed: InPlace) -> Workload:
        placed.check()
        program = placed.program
        sidecar.check_interface(artifact, {name: program.interface(name) for name in calls})
        if method is None:
            run = CaptionRun(backend_of(artifact, sidecar, program), load_photo(task.plan.photo)).whole()
        else:
            run = Run([(method.name, lambda: program.run(method.name, method.example))], shapes(method))
        return Workload(
            run,
            program.threads,
            sidecar.weights.description,
            lambda: counts,
            lambda: program.planned_bytes,
            lambda: placed.describe(list(calls)),
        )

    return Prepared(load, workload)


def check_identity(asked: Case, sidecar: Sidecar) -> None:
    """Hold what a file says it is against what is to be measured: its name only finds it.

    Raises:
        UserError: It holds something else.
    """
    wanted = (asked.model, asked.runtime, asked.precision)
    held = (sidecar.model, sidecar.target, sidecar.precision)
    if wanted != held:
        raise UserError(
            f"the artifact for {', '.join(wanted)} is one of {', '.join(held)} by the sidecar beside it: give it its "
            "own name back, or remove it and it is exported anew"
        )


def check_weights(plan: Plan, origin: WeightsOrigin) -> None:
    """Refuse weights that are not those of the run, such as of a checkpoint that was replaced meanwhile.

    Raises:
        UserError: Saying which they are.
    """
    if origin.identity != plan.origin.identity:
        raise UserError(f"the weights are {origin.description}, and the run began with others: put those back")


def artifact_counts(sidecar: Sidecar, module: nn.Module) -> Counts:
    """Return what one run of an artifact computes.

    Args:
        sidecar: Of the artifact.
        module: Its model, on any device.
    """
    calls = CAPTION_CALLS | PART_CALLS
    return Counts(count_params(module)[0], sum(item.macs * calls.get(item.name, 0) for item in sidecar.methods))
