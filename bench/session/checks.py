"""Whether a plan can be measured: of a new command line, and of one that is taken up again."""

import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from bench.devices import DEVICES, THIS_MACHINE
from bench.measure.plan import Plan
from bench.measure.timing import PROFILES
from bench.records.orders import ORDERS, SEQUENCE
from bench.records.runtimes import COMPILED, PYTORCH_RUNTIMES
from bench.session.flags import MOST_THREADS
from bench.session.place_checks import check_here, check_places
from bench.session.session import NEW_RUN
from export.core.format import PRECISIONS
from export.core.formats import FORMATS
from export.core.request import check_writable
from minivlm.errors import UserError, unknown
from minivlm.images.photos import load_photo
from minivlm.language.transformer import TransformerConfig
from minivlm.models.vision_language import VisionLanguageConfig
from minivlm.storage.files import check_outputs
from minivlm.vision.tee_config import TEEConfig, check_image_size
from minivlm.weights.loading import DescribedModel, WeightsOrigin

WRITTEN = ("records.jsonl", "plan.json", "tables.md", "report.html", "records.csv", "hub.json")
"""What a run writes into its folder."""
COMPILERS = ("g++", "clang++", "c++")
"""One of them must be there for `torch.compile`, unless CXX names another."""


def check_plan(plan: Plan, output: Path) -> None:
    """Refuse what could not be measured.

    Args:
        plan: Whatever the parser let through, or a file held.
        output: Folder for the records.

    Raises:
        UserError: The first thing that is wrong.
    """
    _check_known("device", [plan.device], DEVICES)
    _check_known("profile", [plan.profile], PROFILES)
    _check_known("order", [plan.order], ORDERS)
    _check_order(plan)
    _check_known("precision", plan.precisions, PRECISIONS)
    _check_known("runtime", plan.runtimes or [], [*PYTORCH_RUNTIMES, *FORMATS])
    described = [plan.weights.describe(model) for model in plan.models]
    _check_weights(plan, described[0].origin, output)
    if plan.image_size is not None:
        _check_image_size(plan.image_size, described)
    for runtime in plan.runtimes or []:
        _check_runtime(runtime, plan.device)
    check_places(plan)
    load_photo(plan.photo)
    _check_numbers(plan)
    inputs = [plan.photo] if plan.weights.checkpoint is None else [plan.photo, plan.weights.checkpoint]
    check_outputs((output / name for name in WRITTEN), inputs)
    check_writable(output)


def _check_weights(plan: Plan, origin: WeightsOrigin, output: Path) -> None:
    """Refuse to go on with other weights than those that a run began with."""
    if origin != plan.origin:
        raise UserError(
            f"the weights are {origin.description}, and the run in {output} began with {plan.origin.description}: "
            f"put those back, or {NEW_RUN}"
        )


def _check_order(plan: Plan) -> None:
    """Refuse turns where nothing can take them, or where waiting for one changes what is measured."""
    if plan.order == SEQUENCE:
        return
    if plan.device != THIS_MACHINE:
        raise UserError(
            f"--order {plan.order} is of processes of this machine, and --device {plan.device} measures one case at a "
            "time: leave it out"
        )
    if plan.sustained is not None:
        raise UserError(
            f"--sustained measures what heat does to one case, and with --order {plan.order} it would rest while "
            "others run: leave one of the two out"
        )


def _check_numbers(plan: Plan) -> None:
    for flag, value, unit in (("--repeats", plan.repeats, "round"), ("--timeout", plan.timeout, "second")):
        if not 1 <= value < float("inf"):
            raise UserError(f"{flag} {value:g}: give at least 1 {unit}")
    if plan.sustained is not None and not 0.0 < plan.sustained < float("inf"):
        raise UserError(f"--sustained {plan.sustained:g}: give minutes, more than 0")
    if not 0.0 <= plan.cool_down < float("inf"):
        raise UserError(f"--cool-down {plan.cool_down:g}: give seconds, 0 or more")
    for threads in plan.threads:
        if not 1 <= threads <= MOST_THREADS:
            raise UserError(f"--threads {threads}: give a number from 1 to {MOST_THREADS}")
    if plan.affinity is not None and plan.device != THIS_MACHINE:
        raise UserError(
            f"--affinity binds processes of this machine, and the app on a phone runs where its system puts it: "
            f"leave it out with --device {plan.device}"
        )
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
    if plan.affinity is not None and not set(plan.affinity) <= allowed:
        raise UserError(f"--affinity {','.join(map(str, plan.affinity))}: this process may not use all of these cores")


def _check_runtime(runtime: str, device: str) -> None:
    if runtime in FORMATS:
        check_here(FORMATS[runtime], device)
    if runtime == COMPILED and not any(map(shutil.which, [os.environ.get("CXX", ""), *COMPILERS])):
        raise UserError(f"{COMPILED} needs a C++ compiler, and none of {', '.join(COMPILERS)} is here: install g++")


def _check_image_size(size: tuple[int, int], models: Sequence[DescribedModel]) -> None:
    """Refuse a size that not all models take whose input is a photo."""
    taken = False
    for model in models:
        config = model.config.vision if isinstance(model.config, VisionLanguageConfig) else model.config
        if isinstance(config, TEEConfig):
            check_image_size(size, config.size_multiple)
            taken = True
        elif not isinstance(config, TransformerConfig):
            raise UserError(f"--image-size: {model.name} takes photos by their short side: leave one of the two out")
    if not taken:
        raise UserError("--image-size goes with a vision model, and none is to be measured: leave it out")


def _check_known(kind: str, named: Iterable[str], known: Iterable[str]) -> None:
    names = list(known)
    for name in named:
        if name not in names:
            raise UserError(unknown(kind, name, names))
