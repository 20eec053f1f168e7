"""The stages that runs are divided into. Stages of one run hand on what they made through the object they belong to."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from bench.measure.timing import Stage
from minivlm.images.preprocess import NetworkInput
from minivlm.inference.backend import Backend, caption_context
from minivlm.language.decoding import CaptionSession
from minivlm.vision.faster_rcnn import FasterRCNN
from minivlm.vision.regions import Regions
from minivlm.vision.tee import TEE

CAPTION_TOKENS = 19
"""Tokens that a measured caption writes after [CLS], whatever they are: the work must not depend on the weights."""


@dataclass(frozen=True)
class Run:
    """What is timed, again and again.

    Attributes:
        stages: In order; what one returns is looked at once, see `bench.measure.measuring.first_run`.
        inputs: Shape of each input by name.
        tokens: That the stage "steps" writes.
    """

    stages: list[Stage]
    inputs: Mapping[str, list[int]]
    tokens: int | None = None


class DetectorRun:
    """A detector in PyTorch, its parts one after another: together they are its `forward`.

    Args:
        detector: In eval mode.
        source: Gives the (1, 3, H, W) image and the (2,) extent of a run.
    """

    def __init__(self, detector: TEE | FasterRCNN, source: Callable[[], tuple[Tensor, Tensor]]) -> None:
        self._detector = detector
        self._source = source
        self._features: Any  # a map, or a list of them: what the detector's own methods take
        self._proposed: tuple[Any, ...]
        self.regions: Regions

    @property
    def stages(self) -> list[Stage]:
        """Backbone with BiFPN; RPN with NMS; RoIAlign (pooling) with box head and the choice of regions."""
        return [("backbone", self._run_backbone), ("proposals", self._run_proposals), ("head", self._run_head)]

    @torch.inference_mode()
    def _run_backbone(self) -> object:
        image, _ = self._source()
        self._features = self._detector.backbone(image)
        return self._features

    @torch.inference_mode()
    def _run_proposals(self) -> None:
        _, extent = self._source()
        proposed = self._detector.propose(self._features, extent)
        self._proposed = proposed if isinstance(proposed, tuple) else (proposed,)

    @torch.inference_mode()
    def _run_head(self) -> Regions:
        _, extent = self._source()
        found = self._detector.box_head(self._detector.pool(self._features, self._proposed[0]))
        select: Any = self._detector.select
        self.regions = select(*found, *self._proposed, extent)
        return self.regions


class CaptionRun:
    """From a photo to a caption of fixed length, in the stages that a phone goes through.

    Args:
        backend: What computes the networks.
        photo: Decoded, RGB.
    """

    def __init__(self, backend: Backend, photo: Image.Image) -> None:
        self._backend = backend
        self._photo = photo
        self._session: CaptionSession
        self.fitted: NetworkInput = backend.fit(photo)
        self.regions: Regions

    def whole(self) -> Run:
        """Photo to tensor; detector; what is computed once a photo; `CAPTION_TOKENS` tokens."""
        return self._run_with([("regions", self._run_regions)])

    def split(self, detector: DetectorRun) -> Run:
        """The same, the detector in its parts."""
        *parts, (name, call) = detector.stages

        def last() -> Regions:
            call()
            self.regions = detector.regions
            return self.regions

        return self._run_with([*parts, (name, last)])

    def _run_with(self, detector: list[Stage]) -> Run:
        stages = [
            ("preprocess", self._run_preprocess),
            *detector,
            ("prefill", self._run_prefill),
            ("steps", self._run_steps),
        ]
        return Run(stages, {"image": list(self.fitted.image.shape)}, CAPTION_TOKENS)

    def _run_preprocess(self) -> None:
        self.fitted = self._backend.fit(self._photo)

    @torch.inference_mode()
    def _run_regions(self) -> Regions:
        self.regions = self._backend.regions(self.fitted)
        return self.regions

    @torch.inference_mode()
    def _run_prefill(self) -> None:
        self._session = self._backend.session(caption_context(self._backend, self.regions))

    @torch.inference_mode()
    def _run_steps(self) -> Tensor:
        token = self._backend.labels.tokenizer.special.cls
        for _ in range(CAPTION_TOKENS):
            logits = self._session.advance([0], [token])
            token = int(logits.argmax())
        return logits
