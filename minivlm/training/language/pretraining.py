"""Pre-training as Oscar's (MiniVLM section 3.2): masked tokens of text and tags, and whether the tags fit the picture.

`texta_false_prob` is 0 in Oscar's runs: where a pair does not match, it is the tags that are another picture's, never
the text. Tokens of such pairs are guessed, too (`mask_loss_for_unmatched` 1).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from minivlm.language.layout import PRETRAINING, TransformerInputs
from minivlm.training.language.batches import Batch, another, chance, join_inputs
from minivlm.training.language.known import Shown
from minivlm.training.language.masking import IGNORED, mask_text
from minivlm.training.language.parts import LanguageParts
from minivlm.training.stage import TOTAL

SWAPPED = 0.5
"""Share of pairs with another picture's tags."""


@dataclass(frozen=True, kw_only=True)
class PretrainingBatch(Batch):
    """B pairs of text and picture.

    Attributes:
        inputs: With masked tokens.
        originals: (B, T) int64, what stood there, or `IGNORED`.
        matches: (B,) int64, 1 where the tags are the picture's.
    """

    inputs: TransformerInputs
    originals: Tensor
    matches: Tensor


@dataclass(frozen=True, kw_only=True)
class PretrainingExamples:
    """Pairs of text and picture.

    Attributes:
        known: Of all pictures.
        pairs: Picture, and token ids of a text about it.
    """

    known: Shown
    pairs: Sequence[tuple[Path, tuple[int, ...]]]

    def __len__(self) -> int:
        return len(self.pairs)

    def example(self, index: int, generator: torch.Generator, progress: float) -> PretrainingBatch:
        """See `Examples`."""
        known, (picture, text) = self.known, self.pairs[index]
        tokenizer = known.labels.tokenizer
        regions = known.look(picture)
        tags = known.tags(picture, regions)
        match = chance(generator) >= SWAPPED
        if not match:
            other = self._other(index, generator)
            match = other == picture
            tags = known.tags(other, known.look(other))
        inputs = PRETRAINING.arrange(text, tags, regions.vectors, regions.valid, tokenizer.special)
        seen, originals = mask_text(inputs.token_ids, tokenizer.special, len(tokenizer), generator)
        return PretrainingBatch(
            inputs=inputs._replace(token_ids=seen), originals=originals, matches=torch.tensor([int(match)])
        )

    def _other(self, index: int, generator: torch.Generator) -> Path:
        """Draw another picture; ten times at most, as Oscar does."""
        for _ in range(10):
            other = self.pairs[another(len(self.pairs), index, generator)][0]
            if other != self.pairs[index][0]:
                return other
        return other

    def collate(self, examples: Sequence[PretrainingBatch]) -> PretrainingBatch:
        """See `Examples`."""
        inputs = join_inputs([one.inputs for one in examples])
        originals = torch.cat([one.originals for one in examples])[:, : inputs.token_ids.shape[1]]
        return PretrainingBatch(
            inputs=inputs, originals=originals, matches=torch.cat([one.matches for one in examples])
        )


def pretraining_losses(parts: LanguageParts, batch: PretrainingBatch, generator: torch.Generator) -> dict[str, Tensor]:
    """Return the losses "words", cross-entropy over all masked tokens, and "match", and their sum."""
    encoded = parts.language.fuse(*batch.inputs)
    asked = batch.originals != IGNORED
    logits = parts.tied_logits(encoded[:, : asked.shape[1]][asked])
    words = F.cross_entropy(logits.float(), batch.originals[asked], reduction="sum") / asked.sum().clamp(min=1)
    judged = parts.heads["match"](parts.language.pooler(encoded))
    match = F.cross_entropy(judged.float(), batch.matches)
    return {TOTAL: words + match, "words": words, "match": match}
