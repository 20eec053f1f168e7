"""What to measure, and how: the one configuration that goes from the command line to every process of a run."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.records.runtimes import PYTORCH
from export.core.acceleration import CPU
from export.core.format import Family, Format
from export.core.formats import FORMATS, family_of, require_runtime
from export.core.identity import find_artifact
from export.core.request import ExportRequest
from export.core.weights import Weights
from minivlm.errors import UserError
from minivlm.storage.files import exists
from minivlm.weights.loading import WeightsOrigin

DEFAULT_RUNTIMES = (PYTORCH, "executorch")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to measure, and how.

    Attributes:
        device: A key of `bench.devices.DEVICES`.
        phone: Which of several connected phones; None takes the only one.
        phones: Which of the phones that a service hosts.
        accelerators: Of these phones, an Android phone here or this machine, each for all cases that have it; "cpu" is
            none.
        compute_units: Sets of processors that Core ML may choose from, each for all cases; None takes its own choice.
        bundle_id: That the iPhone's app was built with; None asks for it.
        cool_down: Seconds that a phone may take to cool down before each measurement.
        models: Names of the registry.
        weights: Of all models.
        origin: Where these come from.
        image_size: Height and width in pixels of the vision input; None takes each model's own.
        runtimes: Names; None takes PyTorch, ExecuTorch, and every other artifact that is there already.
        precisions: Of artifacts; PyTorch runs fp32.
        threads: Numbers of threads, each for all cases.
        photo: What vision models see.
        profile: A name of `bench.measure.timing.PROFILES`.
        repeats: Rounds.
        order: A key of `bench.records.orders.ORDERS`: how the cases of a round are measured.
        affinity: Cores to bind to; None leaves the processes free.
        sustained: Minutes for each measurement; None stops as the profile says.
        timeout: Seconds without any progress after which a process is stopped.
        artifacts: Folder of the artifacts.
    """

    device: str
    phone: str | None
    phones: Sequence[str]
    accelerators: Sequence[str]
    compute_units: Sequence[str] | None
    bundle_id: str | None
    cool_down: float
    models: Sequence[str]
    weights: Weights
    origin: WeightsOrigin
    image_size: tuple[int, int] | None
    runtimes: Sequence[str] | None
    precisions: Sequence[str]
    threads: Sequence[int]
    photo: Path
    profile: str
    repeats: int
    order: str
    affinity: Sequence[int] | None
    sustained: float | None
    timeout: float
    artifacts: Path


def runtimes_for(plan: Plan, model: str, precision: str) -> list[str]:
    """Return the runtimes to try: those asked for, or the default ones and those whose artifact is there.

    Where none is asked for, an accelerator or compute units ask for the runtimes that have them.
    """
    if plan.runtimes is not None:
        return list(plan.runtimes)
    asked = [name for name, target in FORMATS.items() if asks_for(plan, target)]
    if CPU not in plan.accelerators:
        return asked
    there = [
        runtime
        for runtime, target in FORMATS.items()
        if runtime not in DEFAULT_RUNTIMES and _exported(plan, model, target, precision) and _installed(runtime)
    ]
    return list(dict.fromkeys([*DEFAULT_RUNTIMES, *there, *asked]))


def asks_for(plan: Plan, target: Format) -> bool:
    """Tell whether a plan names an accelerator or compute units that a format's runtime has."""
    return any(name in target.accelerators for name in plan.accelerators) or bool(plan.compute_units and target.units)


def request_of(plan: Plan, model: str, runtime: str, precision: str) -> ExportRequest:
    """Return the export of a model as the plan measures it.

    Raises:
        UserError: It is a baseline, which has no artifacts.
    """
    return ExportRequest(
        runtime,
        model,
        precision,
        checkpoint=plan.weights.checkpoint,
        image_size=None if family_of(model) is Family.TRANSFORMER else plan.image_size,
        output=plan.artifacts,
        photo=plan.photo,
        seed=plan.weights.seed,
    )


def _exported(plan: Plan, model: str, target: Format, precision: str) -> bool:
    try:
        return exists(find_artifact(request_of(plan, model, target.runtime, precision)))
    except UserError:
        return False  # a baseline has no artifacts


def _installed(runtime: str) -> bool:
    try:
        require_runtime(FORMATS[runtime])
    except UserError:
        return False
    return FORMATS[runtime].runs_here
