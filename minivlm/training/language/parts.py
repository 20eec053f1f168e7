"""What of a model learns language: the transformer and the heads, without the detector."""

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from minivlm.language.heads import AnswerHead
from minivlm.language.initial_weights import initialize_layer
from minivlm.language.transformer import RegionProjection
from minivlm.models.vision_language import VisionLanguageModel
from minivlm.vision.regions import GEOMETRY

POOLER = "language.pooler"
CAPTION_HEAD = "language.caption_head"
GEOMETRY_STD = 1.5
"""Of first weights: six numbers that vary by a quarter then weigh about one, as the features do."""


class LanguageParts(nn.Module):
    """Transformer and heads of a whole model, shared with it, not copied."""

    def __init__(self, whole: VisionLanguageModel) -> None:
        super().__init__()
        self.language = whole.language
        self.heads = whole.heads

    def tied_logits(self, rows: Tensor) -> Tensor:
        """Return what the caption head says of (..., h) rows with the words' embeddings as its decoder: (..., V).

        Oscar, as BERT, pre-trains with tied weights. The model has a decoder of its own, as Oscar fine-tunes captioning
        untied; `untie` gives it what pre-training has taught.
        """
        head = self.language.caption_head
        words = self.language.embeddings.words.weight
        return nn.functional.linear(head.norm(head.activation(head.dense(rows))), words, head.decoder.bias)

    @torch.no_grad()
    def untie(self) -> None:
        """Copy the words' embeddings into the decoder."""
        self.language.caption_head.decoder.weight.copy_(self.language.embeddings.words.weight)

    def learn(self, parts: Iterable[str]) -> tuple[nn.Parameter, ...]:
        """Let parts learn, by the names of modules or parameters, and nothing else; returns their parameters."""
        names = tuple(parts)
        self.train()
        for name, value in self.named_parameters():
            value.requires_grad_(any(f"{name}.".startswith(f"{part}.") for part in names))
        return tuple(value for value in self.parameters() if value.requires_grad)


@torch.no_grad()
def begin_anew(module: nn.Module, generator: torch.Generator) -> None:
    """Draw weights to start training from, as BERT does.

    The columns of a region's geometry are no BERT's: six numbers up to 1 beside a thousand features as long as 38
    together would be a hundredth of what a region says, and where it is would be learnt last.

    A head for answers begins as if one answer of all were right. That is not Oscar's: with biases of 0, hundreds of
    answers at 1/2 cost a question 50 times what a caption's word does, and clipped gradients teach nothing else.
    """
    module.apply(lambda part: initialize_layer(part, generator))
    for part in module.modules():
        if isinstance(part, RegionProjection):
            part.weight[:, -GEOMETRY:].normal_(std=GEOMETRY_STD, generator=generator)
        if isinstance(part, AnswerHead):
            part.classifier.bias.fill_(-math.log(max(part.classifier.out_features - 1, 1)))
