"""Learning to write captions: words are guessed from the picture, its tags, and the words before them.

A caption's rows see what is written so far, tags and regions, as in `CaptionLayout`. Two ways to ask:

* `MaskedCaptions`, as Oscar's: up to three tokens of a caption are masked, and those behind them still see a [MASK].
* `WholeCaptions`: every token of every caption of a picture is asked for at once. A row of each token, and a row of
  [MASK] at its place, which sees the tokens before it and itself: just what a step of writing sees, see
  `minivlm.language.sessions.FullSession`. Captions do not see each other, and the context is computed once for all.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from minivlm.inference.backend import TORCH_CAPTIONING
from minivlm.language.layout import HIDDEN, CaptionContext, join_masks
from minivlm.language.sessions import embed_context
from minivlm.language.tokenizer import SpecialTokens
from minivlm.language.transformer import FusionTransformer
from minivlm.training.language.batches import Batch, join_contexts, join_rows
from minivlm.training.language.known import Shown
from minivlm.training.language.masking import IGNORED, mask_caption
from minivlm.training.language.parts import LanguageParts
from minivlm.training.stage import TOTAL

LAYOUT = TORCH_CAPTIONING
"""The one that captions are written with."""
FILLER = -1
"""Owner of rows that only fill."""


@dataclass(frozen=True, kw_only=True)
class CaptionRows(Batch):
    """The caption rows of B sequences.

    Attributes:
        token_ids: (B, R) int64.
        positions: (B, R) int64.
        owners: (B, R) int64, number of the caption that a row belongs to, or `FILLER`.
        written: (B, R) bool: whether rows behind may see it. A [MASK] that stands for a question may not be seen.
        originals: (B, R) int64, what a row is to guess, or `IGNORED`.
    """

    token_ids: Tensor
    positions: Tensor
    owners: Tensor
    written: Tensor
    originals: Tensor

    @property
    def mask(self) -> Tensor:
        """(B, R, R) float32: a row sees itself, and what is written before it in its own caption."""
        same = (self.owners[:, :, None] == self.owners[:, None]) & (self.owners[:, None] != FILLER)
        before = self.positions[:, None] < self.positions[:, :, None]
        itself = torch.eye(self.owners.shape[1], dtype=torch.bool, device=self.owners.device)
        return torch.where((same & before & self.written[:, None]) | itself, 0.0, HIDDEN)


@dataclass(frozen=True, kw_only=True)
class CaptionBatch(Batch):
    """Pictures, and what is to be said about them."""

    context: CaptionContext
    rows: CaptionRows


@dataclass(frozen=True, kw_only=True)
class MaskedCaptions:
    """Pairs of picture and caption, some tokens of which are masked; as Oscar trains.

    Attributes:
        known: Of all pictures.
        pairs: Picture, and token ids of a caption without special tokens.
    """

    known: Shown
    pairs: Sequence[tuple[Path, tuple[int, ...]]]

    def __len__(self) -> int:
        return len(self.pairs)

    def example(self, index: int, generator: torch.Generator, progress: float) -> CaptionBatch:
        """See `Examples`."""
        picture, text = self.pairs[index]
        tokenizer = self.known.labels.tokenizer
        token_ids = torch.tensor(framed(text, tokenizer.special))
        seen, originals = mask_caption(token_ids, tokenizer.special, len(tokenizer), generator)
        rows = CaptionRows(
            token_ids=seen,
            positions=torch.arange(len(seen)),
            owners=torch.zeros_like(seen),
            written=torch.ones_like(seen, dtype=torch.bool),
            originals=originals,
        )
        return CaptionBatch(context=context_of(self.known, picture), rows=rows)

    def collate(self, examples: Sequence[CaptionBatch]) -> CaptionBatch:
        """See `Examples`."""
        return join_captions(examples)


@dataclass(frozen=True, kw_only=True)
class WholeCaptions:
    """Pictures with all of their captions, every token of which is asked for.

    Attributes:
        known: Of all pictures.
        described: Picture, and token ids of its captions.
    """

    known: Shown
    described: Sequence[tuple[Path, tuple[tuple[int, ...], ...]]]

    def __len__(self) -> int:
        return len(self.described)

    def example(self, index: int, generator: torch.Generator, progress: float) -> CaptionBatch:
        """See `Examples`."""
        picture, captions = self.described[index]
        special = self.known.labels.tokenizer.special
        rows = whole_rows([framed(text, special) for text in captions], special.mask)
        return CaptionBatch(context=context_of(self.known, picture), rows=rows)

    def collate(self, examples: Sequence[CaptionBatch]) -> CaptionBatch:
        """See `Examples`."""
        return join_captions(examples)


def framed(text: Sequence[int], special: SpecialTokens) -> list[int]:
    """Return a caption from [CLS] to [SEP], cut at its end where its place has no room for it."""
    return [special.cls, *text[: LAYOUT.caption_length - 2], special.sep]


def context_of(known: Shown, picture: Path) -> CaptionContext:
    """Lay out what a picture's captions are about, as `caption_context` does."""
    regions, special = known.look(picture), known.labels.tokenizer.special
    return LAYOUT.context(known.tags(picture, regions), regions.vectors, regions.valid, special)


def whole_rows(captions: Sequence[Sequence[int]], mask_token: int) -> CaptionRows:
    """Return (R,) rows that ask for every token of captions: each token, and a [MASK] in the place of the next.

    Args:
        captions: From [CLS] to [SEP].
        mask_token: Id of [MASK].
    """
    token_ids, positions, owners, written, originals = [], [], [], [], []
    for owner, caption in enumerate(captions):
        count = len(caption) - 1
        token_ids += [*caption[:-1], *[mask_token] * count]
        positions += [*range(count), *range(1, count + 1)]
        owners += [owner] * (2 * count)
        written += [True] * count + [False] * count
        originals += [IGNORED] * count + [*caption[1:]]
    return CaptionRows(
        token_ids=torch.tensor(token_ids),
        positions=torch.tensor(positions),
        owners=torch.tensor(owners),
        written=torch.tensor(written),
        originals=torch.tensor(originals),
    )


def join_captions(examples: Sequence[CaptionBatch]) -> CaptionBatch:
    """Put examples of (R,) rows into one batch."""
    return CaptionBatch(
        context=join_contexts([one.context for one in examples]), rows=join_caption_rows([one.rows for one in examples])
    )


def join_caption_rows(each: Sequence[CaptionRows]) -> CaptionRows:
    """Put (R,) rows of different numbers below each other."""
    return CaptionRows(
        token_ids=join_rows([one.token_ids for one in each], 0),
        positions=join_rows([one.positions for one in each], 0),
        owners=join_rows([one.owners for one in each], FILLER),
        written=join_rows([one.written for one in each], False),
        originals=join_rows([one.originals for one in each], IGNORED),
    )


def caption_logits(transformer: FusionTransformer, context: CaptionContext, rows: CaptionRows) -> Tensor:
    """Return the (A, V) logits of the A rows that are to guess, sequence after sequence."""
    places = LAYOUT.tag_positions(context.tag_ids.device)[:, : context.tag_ids.shape[1]]
    own = transformer.embed(rows.token_ids, torch.zeros_like(rows.token_ids), rows.positions)
    embedded = torch.cat([own, embed_context(transformer, context.tag_ids, places, context.regions)], dim=1)
    encoded = transformer.encode(embedded, join_masks(rows.mask, context.mask))
    return transformer.caption_head(encoded[:, : rows.token_ids.shape[1]][rows.originals != IGNORED])


def caption_losses(parts: LanguageParts, batch: CaptionBatch, generator: torch.Generator) -> dict[str, Tensor]:
    """Return the cross-entropy over all tokens that are asked for."""
    wanted = batch.rows.originals[batch.rows.originals != IGNORED]
    return {TOTAL: F.cross_entropy(caption_logits(parts.language, batch.context, batch.rows).float(), wanted)}
