"""A whole vision-language model: a region extractor, a fusion transformer, and a head for every task it can do."""

import math
from collections.abc import Collection
from dataclasses import dataclass

import torch
from torch import nn

from minivlm.errors import UserError, closest
from minivlm.language.heads import VQA_ANSWERS, AnswerHead, MatchHead, PairHead
from minivlm.language.transformer import FusionTransformer, TransformerConfig
from minivlm.vision.faster_rcnn import FasterRCNN, FasterRCNNConfig
from minivlm.vision.tee import TEE
from minivlm.vision.tee_config import TEEConfig

HEADS = ("vqa", "nlvr2", "match")
"""Heads on the pooled vector. Captioning needs none: its head is part of the transformer."""

RANDOM_SPREAD = 2.0
"""Standard deviation of random logits for inputs of standard deviation 1."""


@dataclass(frozen=True, kw_only=True)
class VisionLanguageConfig:
    """Which extractor feeds which transformer; the transformer's `region_dim` is the feature length plus 6.

    Attributes:
        heads: Those of `HEADS` that the model has.
        answers: Outputs of the head "vqa".
        vqa_dropout: Share of the pooled vector that training zeroes in front of this head; Oscar's for VQA.
        nlvr2_dropout: Likewise; BERT's, as for all that follow.
        match_dropout: Likewise.
    """

    vision: TEEConfig | FasterRCNNConfig
    language: TransformerConfig
    heads: tuple[str, ...] = HEADS
    answers: int = VQA_ANSWERS
    vqa_dropout: float = 0.3
    nlvr2_dropout: float = 0.1
    match_dropout: float = 0.1

    def __post_init__(self) -> None:
        for name in self.heads:
            if name not in HEADS:
                raise UserError(f"unknown head {name!r}: {closest(name, list(HEADS))}")
        if len(set(self.heads)) != len(self.heads):
            raise UserError(f"heads {', '.join(self.heads)}: each can be there once; leave the second out")

    @property
    def tags(self) -> int:
        """Number of object classes without the background."""
        return self.vision.classes - 1


class VisionLanguageModel(nn.Module):
    """Modules side by side: regions are found once a photo, the transformer runs once a text or token."""

    def __init__(self, config: VisionLanguageConfig) -> None:
        super().__init__()
        self.config = config
        self.vision = TEE(config.vision) if isinstance(config.vision, TEEConfig) else FasterRCNN(config.vision)
        self.language = FusionTransformer(config.language)
        self.heads = nn.ModuleDict({name: _head(name, config) for name in config.heads})

    def head(self, name: str) -> nn.Module:
        """Return a task's head.

        Raises:
            UserError: The model has none for it.
        """
        require_head(name, self.config.heads)
        return self.heads[name]

    @torch.no_grad()
    def randomize(self, generator: torch.Generator) -> None:
        """Give all parts random weights that behave like trained ones; see the parts."""
        self.vision.randomize(generator)
        self.language.randomize(generator)
        for module in self.heads.modules():
            if isinstance(module, nn.Linear):
                spread = RANDOM_SPREAD / math.sqrt(module.in_features)
                module.weight.normal_(0.0, spread, generator=generator)
                module.bias.zero_()


def require_head(name: str, present: Collection[str]) -> None:
    """Refuse a task whose head is not there.

    Raises:
        UserError: Saying which heads there are.
    """
    if name not in present:
        found = f"only {', '.join(sorted(present))}" if present else "no task heads"
        raise UserError(f"this task needs the head {name!r} and the model has {found}: give a checkpoint that has it")


def _head(name: str, config: VisionLanguageConfig) -> nn.Module:
    hidden = config.language.hidden
    match name:
        case "vqa":
            return AnswerHead(hidden, config.answers, dropout=config.vqa_dropout)
        case "nlvr2":
            return PairHead(hidden, dropout=config.nlvr2_dropout)
        case _:
            return MatchHead(hidden, dropout=config.match_dropout)
