"""A whole vision-language model: a region extractor and a fusion transformer, with optional task heads."""

from dataclasses import dataclass

import torch
from torch import nn

from minivlm.language.transformer import FusionTransformer, TransformerConfig
from minivlm.vision.faster_rcnn import FasterRCNN, FasterRCNNConfig
from minivlm.vision.tee import TEE, TEEConfig


@dataclass(frozen=True, kw_only=True)
class VisionLanguageConfig:
    """Which extractor feeds which transformer; the transformer's `region_dim` is the feature length plus 6."""

    vision: TEEConfig | FasterRCNNConfig
    language: TransformerConfig


class VisionLanguageModel(nn.Module):
    """Two modules side by side: regions are found once a photo, the transformer runs once a text or token."""

    def __init__(self, config: VisionLanguageConfig) -> None:
        super().__init__()
        self.config = config
        self.vision = TEE(config.vision) if isinstance(config.vision, TEEConfig) else FasterRCNN(config.vision)
        self.language = FusionTransformer(config.language)

    def randomize(self, generator: torch.Generator) -> None:
        """Give both parts random weights that behave like trained ones; see the parts."""
        self.vision.randomize(generator)
        self.language.randomize(generator)
