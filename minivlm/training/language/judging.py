"""Learning to judge: statements about two pictures (NLVR2), and whether a text describes a picture (retrieval)."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from minivlm.datasets.nlvr2 import StatementExample
from minivlm.language.layout import NLVR2, RETRIEVAL, TextLayout, TransformerInputs
from minivlm.training.language.batches import Batch, another, chance, join_inputs
from minivlm.training.language.known import Shown
from minivlm.training.language.parts import LanguageParts
from minivlm.training.stage import TOTAL

SWAPPED_TEXT = 0.5
"""Share of false pairs with another's text; the others have another's picture (`RetrievalDataset` of Oscar)."""


@dataclass(frozen=True, kw_only=True)
class StatementBatch(Batch):
    """B statements.

    Attributes:
        left: With the left picture.
        right: With the right one.
        truths: (B,) int64, 1 where the statement is true.
    """

    left: TransformerInputs
    right: TransformerInputs
    truths: Tensor


@dataclass(frozen=True, kw_only=True)
class StatementExamples:
    """Statements about two pictures.

    Attributes:
        known: Of all pictures.
        statements: Each with a label.
        texts: Token ids of each sentence.
    """

    known: Shown
    statements: Sequence[StatementExample]
    texts: Sequence[tuple[int, ...]]

    def __len__(self) -> int:
        return len(self.statements)

    def example(self, index: int, generator: torch.Generator, progress: float) -> StatementBatch:
        """See `Examples`."""
        one, text = self.statements[index], self.texts[index]
        left, right = (arranged(NLVR2, self.known, text, picture) for picture in (one.left, one.right))
        return StatementBatch(left=left, right=right, truths=torch.tensor([int(bool(one.label))]))

    def collate(self, examples: Sequence[StatementBatch]) -> StatementBatch:
        """See `Examples`."""
        return StatementBatch(
            left=join_inputs([one.left for one in examples]),
            right=join_inputs([one.right for one in examples]),
            truths=torch.cat([one.truths for one in examples]),
        )


@dataclass(frozen=True, kw_only=True)
class MatchBatch(Batch):
    """Pairs of text and picture, two an example.

    Attributes:
        inputs: Of all pairs.
        matches: (pairs,) int64, 1 where the text is the picture's.
    """

    inputs: TransformerInputs
    matches: Tensor


@dataclass(frozen=True, kw_only=True)
class MatchExamples:
    """True pairs of text and picture, each beside a false one that shares its text or its picture, as Oscar trains.

    Attributes:
        known: Of all pictures.
        described: Picture, and token ids of its captions.
    """

    known: Shown
    described: Sequence[tuple[Path, tuple[tuple[int, ...], ...]]]

    @cached_property
    def _pairs(self) -> list[tuple[int, tuple[int, ...]]]:
        return [(row, text) for row, (_, captions) in enumerate(self.described) for text in captions]

    def __len__(self) -> int:
        return len(self._pairs)

    def example(self, index: int, generator: torch.Generator, progress: float) -> MatchBatch:
        """See `Examples`: captions are counted picture after picture."""
        row, text = self._pairs[index]
        picture = self.described[row][0]
        other, texts = self.described[another(len(self.described), row, generator)]
        true = arranged(RETRIEVAL, self.known, text, picture)
        if chance(generator) < SWAPPED_TEXT:
            text = texts[int(torch.randint(len(texts), (), generator=generator))]
        else:
            picture = other
        false = arranged(RETRIEVAL, self.known, text, picture)
        return MatchBatch(inputs=_both(true, false), matches=torch.tensor([1, 0]))

    def collate(self, examples: Sequence[MatchBatch]) -> MatchBatch:
        """See `Examples`."""
        return MatchBatch(
            inputs=join_inputs([one.inputs for one in examples]), matches=torch.cat([one.matches for one in examples])
        )


def _both(one: TransformerInputs, other: TransformerInputs) -> TransformerInputs:
    return TransformerInputs(*(torch.cat(parts) for parts in zip(one, other, strict=True)))


def arranged(layout: TextLayout, known: Shown, text: Sequence[int], picture: Path) -> TransformerInputs:
    """Lay out a text with a picture, as the pipeline does."""
    regions = known.look(picture)
    return layout.arrange(
        text, known.tags(picture, regions), regions.vectors, regions.valid, known.labels.tokenizer.special
    )


def statement_losses(parts: LanguageParts, batch: StatementBatch, generator: torch.Generator) -> dict[str, Tensor]:
    """Return the cross-entropy of false and true."""
    pooled = [parts.language.pool(*inputs) for inputs in (batch.left, batch.right)]
    return {TOTAL: F.cross_entropy(parts.heads["nlvr2"](*pooled).float(), batch.truths)}


def match_losses(parts: LanguageParts, batch: MatchBatch, generator: torch.Generator) -> dict[str, Tensor]:
    """Return the cross-entropy of no and yes."""
    logits = parts.heads["match"](parts.language.pool(*batch.inputs)).float()
    return {TOTAL: F.cross_entropy(logits, batch.matches)}
