"""What the pipeline asks of whatever computes the networks, and PyTorch as one that does.

Whoever runs an exported artifact implements `Backend` too; the pipeline does not know the difference.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Protocol

import torch
from PIL import Image
from torch import Tensor

from minivlm.errors import UserError
from minivlm.images.preprocess import NetworkInput
from minivlm.inference.detector import Detector, DetectorConfig, TorchDetector, find_regions, fit_photo, hash_module
from minivlm.language.decoding import CaptionSession
from minivlm.language.layout import CAPTIONING, CaptionContext, CaptionLayout, TransformerInputs
from minivlm.language.sessions import CachedSession
from minivlm.language.thin import thin
from minivlm.language.transformer import FusionTransformer
from minivlm.models.registry import vision_language_config
from minivlm.models.vision_language import VisionLanguageConfig, VisionLanguageModel
from minivlm.vision.faster_rcnn import FasterRCNN
from minivlm.vision.regions import Regions
from minivlm.vision.tee import TEE
from minivlm.weights.labels import Labels, random_labels, read_attributes, read_labels, read_tags
from minivlm.weights.loading import NamedModel, WeightsOrigin, load_model

TORCH_CAPTIONING = replace(CAPTIONING, caption_length=CAPTIONING.tag_position)
"""Eager captions have no cache of fixed size: they may be as long as the place that training gave them."""


class Backend(Detector, Protocol):
    """The networks of one vision-language model, wherever they run.

    A backend without the head or method that a call needs raises `UserError`.
    """

    @property
    def config(self) -> VisionLanguageConfig:
        """Sizes, and the heads that are there."""
        ...

    @property
    def labels(self) -> Labels:
        """What the ids mean."""
        ...

    @property
    def caption_layout(self) -> CaptionLayout:
        """Where caption contexts are laid out; its `caption_length` bounds captions."""
        ...

    def session(self, context: CaptionContext) -> CaptionSession:
        """Begin captions about one context."""
        ...

    def vqa(self, inputs: TransformerInputs) -> Tensor:
        """Return (B, answers) logits."""
        ...

    def nlvr2(self, left: TransformerInputs, right: TransformerInputs) -> Tensor:
        """Return (B, 2) logits of false and true."""
        ...

    def match(self, inputs: TransformerInputs) -> Tensor:
        """Return (B, 2) logits of no and yes."""
        ...


class Described(Protocol):
    """What texts about a photo are made from: `Regions` of the network's input, or `PhotoRegions`."""

    @property
    def tags(self) -> Tensor:
        """(N,) int64 class ids."""
        ...

    @property
    def valid(self) -> Tensor:
        """(N,) bool, False for rows that only fill."""
        ...

    @property
    def vectors(self) -> Tensor:
        """(N, D + 6) rows for the transformer."""
        ...


def tag_ids(labels: Labels, regions: Described) -> list[int]:
    """Return the token ids of the valid regions' tags, as texts about the photo begin or end with them."""
    return labels.tag_ids(regions.tags[regions.valid].tolist())


def caption_context(backend: Backend, regions: Described) -> CaptionContext:
    """Lay out what a caption is about."""
    ids, special = tag_ids(backend.labels, regions), backend.labels.tokenizer.special
    return backend.caption_layout.context(ids, regions.vectors, regions.valid, special)


@dataclass(frozen=True)
class TorchBackend:
    """A `VisionLanguageModel` in this process; see `Backend` for what each member means.

    Attributes:
        named: The model with its name and origin.
        labels: What its ids mean.
    """

    named: NamedModel
    labels: Labels

    caption_layout = TORCH_CAPTIONING

    @property
    def model(self) -> str:
        """See `Backend`."""
        return self.named.name

    @property
    def module(self) -> VisionLanguageModel:
        """The networks."""
        assert isinstance(self.named.module, VisionLanguageModel)
        return self.named.module

    @property
    def config(self) -> VisionLanguageConfig:
        """See `Backend`."""
        return self.module.config

    @property
    def origin(self) -> WeightsOrigin:
        """See `Backend`."""
        return self.named.origin

    @property
    def vision(self) -> DetectorConfig:
        """See `Backend`."""
        return self.config.vision

    @property
    def tags(self) -> tuple[str, ...]:
        """See `Backend`."""
        return self.labels.tags

    @property
    def attributes(self) -> tuple[str, ...]:
        """See `Backend`."""
        return self.labels.attributes

    @cached_property
    def detector_hash(self) -> str:
        """See `Backend`: over the detector's config and every tensor of it."""
        return hash_module(self.module.vision, repr(self.config.vision))

    def fit(self, photo: Image.Image) -> NetworkInput:
        """See `Backend`."""
        return fit_photo(self.vision, photo)

    def regions(self, fitted: NetworkInput) -> Regions:
        """See `Backend`."""
        return find_regions(self.module.vision, fitted)

    def session(self, context: CaptionContext) -> CaptionSession:
        """See `Backend`."""
        mask_token = self.labels.tokenizer.special.mask
        return CachedSession(self._thin_language, self.caption_layout, context, mask_token)

    @cached_property
    def _thin_language(self) -> FusionTransformer:
        return thin(self.module.language)

    @torch.no_grad()
    def pooled(self, inputs: TransformerInputs) -> Tensor:
        """Return the (B, h) pooled vectors of B sequences."""
        language = self.module.language
        text = language.embed(inputs.token_ids, inputs.token_types, inputs.positions)
        rows = torch.cat([text, language.project(inputs.regions)], dim=1)
        return language.pooler(language.encode(rows, inputs.mask))

    @torch.no_grad()
    def vqa(self, inputs: TransformerInputs) -> Tensor:
        """See `Backend`."""
        head = self.module.head("vqa")
        return head(self.pooled(inputs))

    @torch.no_grad()
    def nlvr2(self, left: TransformerInputs, right: TransformerInputs) -> Tensor:
        """See `Backend`."""
        head = self.module.head("nlvr2")
        return head(self.pooled(left), self.pooled(right))

    @torch.no_grad()
    def match(self, inputs: TransformerInputs) -> Tensor:
        """See `Backend`."""
        head = self.module.head("match")
        return head(self.pooled(inputs))


def load_torch_backend(name: str | None = None, *, checkpoint: Path | str | None = None, seed: int = 0) -> TorchBackend:
    """Load a model with the labels that go with it.

    Args:
        name: A vision-language model; with a checkpoint it may be left out.
        checkpoint: Folder; without one the weights are random, and all names made up.
        seed: Of random weights.

    Raises:
        UserError: As `load_model`; or no vision-language model; or text files that do not fit it.
    """
    if checkpoint is None and name is not None:
        vision_language_config(name)  # before anything is built
    named = load_model(name, checkpoint=checkpoint, seed=seed)
    if not isinstance(named.module, VisionLanguageModel):
        raise UserError(
            f"checkpoint {checkpoint} holds {named.name}, only a part of a vision-language model: put a detector into a"
            " whole one by minivlm checkpoint import DIR --detector"
        )
    return TorchBackend(named, labels_of(named.module.config, None if checkpoint is None else Path(checkpoint)))


def load_torch_detector(
    name: str | None = None, *, checkpoint: Path | str | None = None, seed: int = 0
) -> TorchBackend | TorchDetector:
    """Load what finds regions: as `load_torch_backend`, and a checkpoint may hold a detector alone.

    Args:
        name: As `load_torch_backend` takes it, or the detector that a checkpoint is or has.
        checkpoint: Folder.
        seed: Of random weights.

    Raises:
        UserError: As `load_torch_backend`.
    """
    if checkpoint is None:
        return load_torch_backend(name, seed=seed)
    named = load_model(name, checkpoint=checkpoint)
    if isinstance(named.module, VisionLanguageModel):
        return TorchBackend(named, labels_of(named.module.config, Path(checkpoint)))
    if not isinstance(named.module, TEE | FasterRCNN):
        raise UserError(f"checkpoint {checkpoint} holds {named.name}, which finds no regions: give one that does")
    config = named.module.config
    return TorchDetector(named, read_tags(Path(checkpoint), config), read_attributes(Path(checkpoint), config))


def labels_of(config: VisionLanguageConfig, checkpoint: Path | None) -> Labels:
    """Return what a model's ids mean: a checkpoint's text files, or made-up ones beside random weights.

    Raises:
        UserError: Text files that do not fit the model.
    """
    return random_labels(config) if checkpoint is None else read_labels(checkpoint, config)
