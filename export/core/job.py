"""From a request to all that a conversion needs: the model, its methods, and the recipe for its numbers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

import torch
from torch import nn

from export.core.calibration import Calibration, calibration_set
from export.core.catalogue import exportable_methods
from export.core.format import INTEGERS
from export.core.formats import FORMATS
from export.core.methods import Method
from export.core.precision import Rule, fits_name, kept_in_float, rules_of_backbone
from export.core.recipe import Recipe
from export.core.request import ExportRequest
from minivlm.console import Steps
from minivlm.errors import UserError
from minivlm.inference.backend import labels_of
from minivlm.models.vision_language import VisionLanguageModel
from minivlm.vision.tee import TEE
from minivlm.weights.labels import Labels
from minivlm.weights.loading import NamedModel, load_model


@dataclass(frozen=True)
class Job:
    """One export's model, ready to convert."""

    request: ExportRequest
    model: NamedModel
    labels: Labels | None
    methods: list[Method]
    recipe: Recipe


def prepare(request: ExportRequest, rules: tuple[Rule, ...], say: Callable[[str], None] | None = None) -> Job:
    """Load the model and everything that its conversion needs.

    Args:
        request: What to export.
        rules: Of its precision; what it asks to keep in float goes before them.
        say: Told how far the reading of photos is.

    Raises:
        UserError: The model cannot be had or exported, a pattern of `keep_float` does nothing, or photos are missing.
    """
    model = load_model(request.model, checkpoint=request.checkpoint, seed=request.seed)
    labels = None
    if isinstance(model.module, VisionLanguageModel):
        labels = labels_of(model.module.config, request.checkpoint)
    methods = exportable_methods(model, labels, request.image_size, request.photo)
    if request.keep_float:
        check_patterns(request, model.name, methods, rules)
    return Job(request, model, labels, methods, make_recipe(request, model, rules, say))


def make_recipe(
    request: ExportRequest, model: NamedModel, rules: tuple[Rule, ...], say: Callable[[str], None] | None
) -> Recipe:
    """Return the recipe of a request; a detector in whole numbers comes with photos."""
    module = model.module.vision if isinstance(model.module, VisionLanguageModel) else model.module
    backbone = module.config.efficientnet if isinstance(module, TEE) else None
    rules = (*kept_in_float(request.keep_float), *rules_of_backbone(rules, backbone))
    if request.precision not in INTEGERS or not isinstance(module, TEE):
        return Recipe(request.precision, rules, delegate=request.delegate)
    size = request.image_size or module.config.image_size
    calibration = calibration_set(
        request.calibration, request.calibration_samples, module.config, size, request.photo, say
    )
    return Recipe(request.precision, rules, calibration, request.delegate)


def check_patterns(request: ExportRequest, model: str, methods: Sequence[Method], rules: tuple[Rule, ...]) -> None:
    """Refuse patterns of layers to keep in float that do nothing.

    Raises:
        UserError: Nothing is rounded at this precision, or a pattern fits no layer that runs.
    """
    if not rules:
        title = FORMATS[request.runtime].title
        raise UserError(f"--keep-float: {title} rounds no layer at {request.precision}; leave it out, or take int8")
    layers = {layer for method in methods for layer in running_layers(method)}
    for pattern in request.keep_float:
        if not any(fits_name(pattern, layer) for layer in layers):
            raise UserError(f"--keep-float {pattern!r} fits no layer of {model}: {_nearest(pattern, layers)}")


@torch.no_grad()
def running_layers(method: Method) -> list[str]:
    """Return the dotted names of the modules without parts that run when a method does."""
    names: dict[str, None] = {}
    hooks = [
        module.register_forward_pre_hook(_noting(name, names))
        for name, module in method.module.named_modules()
        if not list(module.children())
    ]
    try:
        method.module(*method.example)
    finally:
        for hook in hooks:
            hook.remove()
    return list(names)


def _noting(name: str, names: dict[str, None]) -> Callable[[nn.Module, object], None]:
    def note(*_: object) -> None:
        names[name] = None

    return note


def _nearest(pattern: str, layers: set[str]) -> str:
    """Return the ending of a message about a pattern that fits nothing: near names, or the largest parts."""
    paths = [layer.removeprefix("detector.").removeprefix("transformer.").split(".") for layer in layers]
    names = {".".join(path[:end]) for path in paths for end in range(1, len(path) + 1)}
    near = get_close_matches(pattern.removesuffix(".*"), sorted(names), n=3, cutoff=0.6)
    if near:
        return f"did you mean {' or '.join(repr(name) for name in near)}?"
    return f"its parts are {', '.join(sorted({path[0] for path in paths}))}"


def report_calibration(calibration: Calibration | None, steps: Steps) -> None:
    """Say what int8 is calibrated on, and which files of the folder were left out, and why."""
    if calibration is None:
        return
    steps.say(f"  calibrating on {len(calibration.samples)} views of {len(calibration.photos)} photos")
    reasons = {
        "no readable photos": calibration.skipped,
        "the photo of the verification, which nothing may be made with": calibration.held_out,
        "copies of others": calibration.copies,
    }
    for reason, names in reasons.items():
        if names:
            steps.say(f"  skipped, {reason}: {len(names)} ({', '.join(names)})")
