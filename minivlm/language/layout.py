"""How text, tags and regions become the transformer's inputs, as in Oscar (microsoft/Oscar `oscar/run_*.py`).

Every sequence has a fixed length. Regions come after the text and have neither position nor type. A batch of one is
made; whoever wants more concatenates.

Shapes: T text tokens, N regions, S = T + N, D the width of a region vector.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from minivlm.errors import UserError
from minivlm.language.tokenizer import SpecialTokens

HIDDEN = -10000.0
"""What is added to an attention score to hide a token; within float16, and exp(HIDDEN) is 0."""


class TransformerInputs(NamedTuple):
    """The arguments of `FusionTransformer.forward`, in order.

    Attributes:
        token_ids: (1, T) int64.
        token_types: (1, T) int64. 0 for text and padding, 1 for tags and their [SEP].
        positions: (1, T) int64.
        regions: (1, N, D) float.
        mask: (1, 1, S) float, 0 or `HIDDEN`.
    """

    token_ids: Tensor
    token_types: Tensor
    positions: Tensor
    regions: Tensor
    mask: Tensor


class CaptionContext(NamedTuple):
    """What a caption is written about; it does not change while it is written.

    Attributes:
        tag_ids: (1, tag_length) int64.
        regions: (1, N, D) float.
        mask: (1, 1, tag_length + N) float, 0 or `HIDDEN`.
    """

    tag_ids: Tensor
    regions: Tensor
    mask: Tensor


@dataclass(frozen=True, kw_only=True)
class TextLayout:
    """[CLS] text [SEP] tags [SEP] padding, then regions: the layout of every task but captioning.

    Attributes:
        text_length: Tokens in all; at least 3.
        regions: Region rows.
    """

    text_length: int
    regions: int

    def __post_init__(self) -> None:
        if self.text_length < 3 or self.regions < 0:
            raise UserError(
                f"a layout of {self.text_length} tokens and {self.regions} regions: it takes at least 3 tokens"
                " ([CLS], [SEP], [SEP]) and no negative number of regions"
            )

    def arrange(
        self, text: Sequence[int], tags: Sequence[int], regions: Tensor, valid: Tensor, special: SpecialTokens
    ) -> TransformerInputs:
        """Lay out one example.

        What does not fit is cut from the end of the longer of the two, token by token, from the tags when both are
        equally long. Without tags there is no second [SEP]. Padding is hidden, has type 0 and goes on counting
        positions.

        Args:
            text: Token ids of the question, sentence or caption, without special tokens.
            tags: Token ids of the detector's tags, joined by spaces before tokenization.
            regions: (M, D) region vectors, best first.
            valid: (M,) bool, False for rows that only fill.
            special: Of the tokenizer that made the ids.
        """
        text, tags = _cut_pair(list(text), list(tags), self.text_length)
        first = [special.cls, *text, special.sep]
        second = [*tags, special.sep] if tags else []
        used = len(first) + len(second)
        padding = self.text_length - used
        rows, rows_valid = _fit_regions(regions, valid, self.regions)
        device = regions.device
        token_types = [0] * len(first) + [1] * len(second) + [0] * padding
        return TransformerInputs(
            token_ids=torch.tensor([[*first, *second, *[special.pad] * padding]], device=device),
            token_types=torch.tensor([token_types], device=device),
            positions=torch.arange(self.text_length, device=device)[None],
            regions=rows,
            mask=_mask(used, self.text_length, rows_valid),
        )


@dataclass(frozen=True, kw_only=True)
class CaptionLayout:
    """Caption, tags [SEP], regions, with a place of its own for each, so that the context can be computed once.

    The caption's rows see the caption so far, all tags and all regions; tags and regions see each other and never the
    caption.

    Attributes:
        caption_length: Most tokens of a caption, [CLS] and [SEP] included.
        tag_length: Token rows for the tags, their [SEP] included.
        tag_position: Position of the first tag: where tags began in training, whatever a caption's length now.
        regions: Region rows.
    """

    caption_length: int = 20
    tag_length: int = 30
    tag_position: int = 40
    regions: int = 50

    def __post_init__(self) -> None:
        if self.caption_length < 2 or self.tag_length < 1 or self.regions < 0:
            raise UserError(
                f"a layout of {self.caption_length} caption tokens, {self.tag_length} tag tokens and {self.regions}"
                " regions: it takes at least 2 ([CLS], [SEP]), 1 ([SEP]) and 0"
            )
        if self.caption_length > self.tag_position:
            raise UserError(
                f"captions of {self.caption_length} tokens run into the tags at position {self.tag_position}:"
                " make the caption shorter"
            )

    @property
    def context_length(self) -> int:
        """Rows of tags and regions."""
        return self.tag_length + self.regions

    def context(self, tags: Sequence[int], regions: Tensor, valid: Tensor, special: SpecialTokens) -> CaptionContext:
        """Lay out what a caption is about; arguments as in `TextLayout.arrange`. Tags that do not fit are cut."""
        cut = list(tags)[: self.tag_length - 1]
        used = [*cut, special.sep] if cut else []
        padding = [special.pad] * (self.tag_length - len(used))
        rows, rows_valid = _fit_regions(regions, valid, self.regions)
        return CaptionContext(
            tag_ids=torch.tensor([used + padding], device=regions.device),
            regions=rows,
            mask=_mask(len(used), self.tag_length, rows_valid),
        )

    def tag_positions(self, device: torch.device | None = None) -> Tensor:
        """Return the (1, tag_length) int64 positions of the tags."""
        return torch.arange(self.tag_position, self.tag_position + self.tag_length, device=device)[None]

    def sequence_mask(self, caption_rows: int, context_mask: Tensor) -> Tensor:
        """Return the (B, S, S) mask of whole sequences: `caption_rows` caption rows, then tags, then regions.

        Args:
            caption_rows: Of each sequence, in the order in which they are written.
            context_mask: (B, 1, tags + N), as in `CaptionContext`; it may be cut where it is hidden in all sequences.
        """
        causal = context_mask.new_full((caption_rows, caption_rows), HIDDEN).triu(1)
        return join_masks(causal.expand(context_mask.shape[0], -1, -1), context_mask)


PRETRAINING = TextLayout(text_length=35, regions=50)
VQA = TextLayout(text_length=128, regions=50)
NLVR2 = TextLayout(text_length=55, regions=40)
RETRIEVAL = TextLayout(text_length=70, regions=50)
CAPTIONING = CaptionLayout()


def join_masks(own: Tensor, context_mask: Tensor) -> Tensor:
    """Return the (B, R + C, R + C) mask of R caption rows and the C rows of their context, which never see a caption.

    Args:
        own: (B, R, R), how the caption's rows see each other.
        context_mask: (B, 1, C), which all rows see.
    """
    rows, context = own.shape[1], context_mask.shape[2]
    from_caption = torch.cat([own, context_mask.expand(-1, rows, -1)], dim=2)
    blind = own.new_full((own.shape[0], context, rows), HIDDEN)
    return torch.cat([from_caption, torch.cat([blind, context_mask.expand(-1, context, -1)], dim=2)], dim=1)


def _cut_pair(text: list[int], tags: list[int], length: int) -> tuple[list[int], list[int]]:
    """Cut both to fit beside their special tokens: drop the last token of the longer one until they do."""
    while len(text) + len(tags) > length - 2 - bool(tags):
        (text if len(text) > len(tags) else tags).pop()
    return text, tags


def _fit_regions(regions: Tensor, valid: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Keep the first `count` regions or fill up with zeros: (1, count, D), and (count,) bool."""
    regions, valid = regions[:count], valid[:count]
    missing = count - regions.shape[0]
    rows = torch.cat([regions, regions.new_zeros(missing, regions.shape[1])])
    return rows[None], torch.cat([valid, valid.new_zeros(missing)])


def _mask(used: int, text_length: int, regions_valid: Tensor) -> Tensor:
    """Return the (1, 1, S) mask that shows the first `used` tokens and the valid regions."""
    text_valid = torch.arange(text_length, device=regions_valid.device) < used
    visible = torch.cat([text_valid, regions_valid])
    return torch.where(visible, 0.0, HIDDEN)[None, None]
