"""Runs in PyTorch: eager, a detector in its parts, and compiled as a whole."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from bench.measure.stages import CaptionRun, DetectorRun, Run
from export.core.catalogue import exportable_methods, fusion_method
from export.core.methods import Method
from minivlm.images.photos import load_photo
from minivlm.images.preprocess import NetworkInput, letterbox, resize_short_side
from minivlm.inference.backend import TorchBackend, labels_of
from minivlm.language.decoding import CaptionSession
from minivlm.language.exportable import CompiledSession, Prefill, Step
from minivlm.language.layout import CAPTIONING, CaptionContext
from minivlm.language.transformer import FusionTransformer
from minivlm.models.vision_language import VisionLanguageModel
from minivlm.vision.faster_rcnn import FasterRCNN
from minivlm.vision.grid import GridExtractor
from minivlm.vision.regions import Regions
from minivlm.vision.tee import TEE
from minivlm.weights.loading import NamedModel


def eager_run(
    model: NamedModel, photo: Path, checkpoint: Path | None, image_size: tuple[int, int] | None = None
) -> Run:
    """Run a model as it is, detectors part after part.

    Args:
        model: Loaded.
        photo: What it sees.
        checkpoint: Where its labels are; None makes them up.
        image_size: (height, width) in pixels of the vision input; None takes the model's own.
    """
    module = model.module
    if isinstance(module, VisionLanguageModel):
        backend = EagerBackend(model, labels_of(module.config, checkpoint), image_size)
        caption = CaptionRun(backend, load_photo(photo))
        return caption.split(DetectorRun(module.vision, lambda: (caption.fitted.image, caption.fitted.extent)))
    method = part_method(model, photo, image_size)
    if isinstance(module, TEE | FasterRCNN):
        image, extent = method.example
        return Run(DetectorRun(module, lambda: (image, extent)).stages, shapes(method))
    return _forward(module, method)


def compiled_run(
    model: NamedModel, photo: Path, checkpoint: Path | None, image_size: tuple[int, int] | None = None
) -> Run:
    """Run a model through `torch.compile`; the arguments are those of `eager_run`."""
    from torch._inductor import config

    config.force_disable_caches = True  # every process compiles, not only the first
    config.compile_threads = 1  # no helper processes, which would outlive a process that is stopped
    module = model.module
    if isinstance(module, VisionLanguageModel):
        labels = labels_of(module.config, checkpoint)
        return CaptionRun(CompiledBackend(model, labels, image_size), load_photo(photo)).whole()
    return _forward(torch.compile(module), part_method(model, photo, image_size))


def _forward(call: Any, method: Method) -> Run:
    @torch.inference_mode()
    def forward() -> object:
        return call(*method.example)

    return Run([("forward", forward)], shapes(method))


@dataclass(frozen=True)
class EagerBackend(TorchBackend):
    """`TorchBackend` that fits photos to a size, as an artifact does.

    Attributes:
        image_size: (height, width) in pixels; None takes the model's own.
    """

    image_size: tuple[int, int] | None = None

    def fit(self, photo: Image.Image) -> NetworkInput:
        """See `Backend`."""
        if self.image_size is None:
            return super().fit(photo)
        return letterbox(photo, self.image_size, self.config.vision.pixels)


@dataclass(frozen=True)
class CompiledBackend(EagerBackend):
    """`TorchBackend` with compiled networks, which want steps of a fixed shape."""

    caption_layout = CAPTIONING

    @cached_property
    def _vision(self) -> Any:
        return torch.compile(self.module.vision)

    @cached_property
    def _prefill(self) -> Any:
        return torch.compile(Prefill(self.module.language, CAPTIONING).eval())

    @cached_property
    def _step(self) -> Any:
        return torch.compile(Step(self.module.language, CAPTIONING, self.labels.tokenizer.special.mask).eval())

    def regions(self, fitted: NetworkInput) -> Regions:
        """See `Backend`."""
        return self._vision(fitted.image, fitted.extent)

    def session(self, context: CaptionContext) -> CaptionSession:
        """See `Backend`."""
        return CompiledSession(self._prefill, self._step, CAPTIONING, context)


def part_method(model: NamedModel, photo: Path, image_size: tuple[int, int] | None = None) -> Method:
    """Return the one method of an extractor or a transformer, those of the baselines included.

    Args:
        model: Not a whole one.
        photo: What extractors see.
        image_size: (height, width) in pixels that an artifact is fixed to; None takes the model's own.
    """
    module = model.module
    if isinstance(module, FusionTransformer):
        return fusion_method("forward", module)
    if not isinstance(module, FasterRCNN | GridExtractor):
        return exportable_methods(model, None, image_size, photo)[0]
    config = module.config
    fitted = resize_short_side(load_photo(photo), config.short_side, config.longest_side, config.pixels)
    inputs = {"image": fitted.image}
    if isinstance(module, FasterRCNN):
        inputs["extent"] = fitted.extent
    return Method("forward", module, inputs, outputs=(), detector=True)


def shapes(method: Method) -> dict[str, list[int]]:
    """Return the shape of each of a method's inputs."""
    return {name: list(value.shape) for name, value in method.inputs.items()}
