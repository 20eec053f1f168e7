"""What one run of a model is on each runtime: the same inputs from the same photo everywhere."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from bench.timing import Stage
from export.artifact_backend import open_backend
from export.catalogue import exportable_methods
from export.methods import Method
from export.program import open_program
from export.sidecar import Sidecar
from minivlm.backend import Backend, TorchBackend, words_of
from minivlm.language.decoding import CaptionSession
from minivlm.language.transformer import FusionTransformer
from minivlm.model import VisionLanguageModel, join_regions
from minivlm.photos import load_photo
from minivlm.preprocess import resize_short_side
from minivlm.registry import NamedModel
from minivlm.vision.faster_rcnn import FasterRCNN
from minivlm.vision.grid import GridExtractor
from minivlm.vision.tee import TEE

CAPTION_TOKENS = 19
"""Tokens that a measured caption writes after [CLS], whatever they are: the work must not depend on the weights."""


@dataclass(frozen=True)
class Workload:
    """Stages of one run, ready to be called.

    Attributes:
        stages: In order.
        threads: How many threads the runtime says it uses.
        inputs: Shape of each input by name.
    """

    stages: list[Stage]
    threads: int
    inputs: Mapping[str, list[int]]


def is_device_model(module: nn.Module) -> bool:
    """Tell whether a model is meant for devices, and so has artifacts; the baselines are not."""
    vision = module.vision if isinstance(module, VisionLanguageModel) else module
    return isinstance(vision, TEE | FusionTransformer)


def pytorch_workload(model: NamedModel, photo: Path, threads: int, checkpoint: Path | None) -> Workload:
    """Run a model eagerly, as it is."""
    torch.set_num_threads(threads)
    if isinstance(model.module, VisionLanguageModel):
        backend = TorchBackend(model, words_of(model.module.config, checkpoint))
        return caption_workload(backend, photo, torch.get_num_threads())
    method = part_method(model, photo)

    def call() -> None:
        with torch.inference_mode():
            method.module(*method.example)

    return _one_stage(method, call, torch.get_num_threads())


def executorch_workload(model: NamedModel, photo: Path, threads: int, artifact: Path) -> Workload:
    """Run a model's artifact; the model gives the inputs only."""
    if isinstance(model.module, VisionLanguageModel):
        backend = open_backend(artifact, threads)
        return caption_workload(backend, photo, backend.threads)
    method = part_method(model, photo, Sidecar.read(artifact).image_size)
    program = open_program(artifact, threads)
    program.load(method.name)
    return _one_stage(method, lambda: program.run(method.name, method.example), program.threads)


def _one_stage(method: Method, call: Callable[[], object], threads: int) -> Workload:
    return Workload([(method.name, call)], threads, {name: list(value.shape) for name, value in method.inputs.items()})


def part_method(model: NamedModel, photo: Path, image_size: tuple[int, int] | None = None) -> Method:
    """Return the one method of an extractor or a transformer, those of the baselines included.

    Args:
        model: Not a whole one.
        photo: What extractors see.
        image_size: (height, width) in pixels that an artifact is fixed to; None takes the model's own.
    """
    module = model.module
    if not isinstance(module, FasterRCNN | GridExtractor):
        return exportable_methods(model, None, image_size, photo)[0]
    config = module.config
    fitted = resize_short_side(load_photo(photo), config.short_side, config.longest_side, config.pixels)
    inputs = {"image": fitted.image}
    if isinstance(module, FasterRCNN):
        inputs["extent"] = fitted.extent
    return Method("forward", module, inputs, outputs=(), kind="regions")


def caption_workload(backend: Backend, photo: Path, threads: int) -> Workload:
    """From photo to a caption of fixed length, in the stages that a phone goes through."""
    image = load_photo(photo)
    fitted = backend.fit(image)
    found = backend.regions(fitted)
    special = backend.words.tokenizer.special
    valid = found.scores > 0.0
    context = backend.caption_layout.context(
        backend.words.tag_ids(found.tags[valid].tolist()),
        join_regions(found.features, found.geometry),
        valid,
        special,
    )
    sessions: list[CaptionSession] = []

    def prefill() -> None:
        sessions[:] = [backend.session(context)]

    def write() -> None:
        token = special.cls
        for _ in range(CAPTION_TOKENS):
            token = int(sessions[0].advance([0], [token]).argmax())

    stages: list[Stage] = [
        ("preprocess", lambda: backend.fit(image)),
        ("regions", lambda: backend.regions(fitted)),
        ("prefill", prefill),
        (f"{CAPTION_TOKENS} tokens", write),
    ]
    return Workload(stages, threads, {"image": list(fitted.image.shape)})
