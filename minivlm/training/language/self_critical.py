"""Self-critical training of captions (Rennie et al. 2017): what is better than the greedy caption is to be likelier.

The reward is CIDEr-D, with n-grams as rare as in the captions learnt from; where a recipe says so, also whether the
caption is true of its scene, which no comparison with five references can tell. The likelihood of a caption is the mean
over its predicted tokens, as in Oscar (`oscar/run_captioning.py`, `ScstRewardCriterion`), not their sum.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from minivlm.evaluation.caption_words import caption_words
from minivlm.evaluation.captions import SCALE, Caption, Rarity
from minivlm.language.layout import HIDDEN, CaptionContext
from minivlm.language.sessions import KeysValues, context_keys_values, embed_context, step_layers
from minivlm.language.tokenizer import SpecialTokens, WordPieceTokenizer
from minivlm.language.transformer import FusionTransformer
from minivlm.scenes.judging import Judge
from minivlm.training.language.batches import Batch, join_contexts
from minivlm.training.language.captioning import (
    LAYOUT,
    caption_logits,
    context_of,
    join_caption_rows,
    whole_rows,
)
from minivlm.training.language.known import Shown
from minivlm.training.language.masking import IGNORED
from minivlm.training.language.parts import LanguageParts
from minivlm.training.stage import TOTAL

LONGEST = 20
"""Tokens of a caption, [CLS] and [SEP] included, as inference writes them."""

Choose = Callable[[Tensor], Tensor]
"""Takes (B, V) logits, returns (B,) int64 tokens."""


@dataclass(frozen=True, kw_only=True)
class CriticBatch(Batch):
    """Pictures, and the words of their captions.

    Attributes:
        context: Of all.
        references: The words of each picture's captions.
        numbers: Of the pictures, in `CriticExamples.described`.
    """

    context: CaptionContext
    references: tuple[tuple[Caption, ...], ...]
    numbers: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class CriticExamples:
    """Pictures with all of their captions.

    Attributes:
        known: Of all pictures.
        described: Picture, and its captions.
    """

    known: Shown
    described: Sequence[tuple[Path, tuple[str, ...]]]

    def __len__(self) -> int:
        return len(self.described)

    def example(self, index: int, generator: torch.Generator, progress: float) -> CriticBatch:
        """See `Examples`."""
        picture, captions = self.described[index]
        words = tuple(caption_words(text) for text in captions)
        return CriticBatch(context=context_of(self.known, picture), references=(words,), numbers=(index,))

    def collate(self, examples: Sequence[CriticBatch]) -> CriticBatch:
        """See `Examples`."""
        context = join_contexts([one.context for one in examples])
        return CriticBatch(
            context=context,
            references=tuple(words for one in examples for words in one.references),
            numbers=tuple(number for one in examples for number in one.numbers),
        )


@dataclass(frozen=True, kw_only=True)
class Critic:
    """Compares sampled captions with greedy ones.

    Attributes:
        tokenizer: Of the model.
        rarity: Of n-grams in the captions learnt from.
        judges: Of each picture of `CriticExamples.described`.
        truth: What a true caption is rewarded with beside its CIDEr-D.
        samples: Captions drawn for a picture. One is held against the greedy caption, each of several against the mean
            of the others (Luo 2020, "A Better Variant of Self-Critical Sequence Training").
    """

    tokenizer: WordPieceTokenizer
    rarity: Rarity
    judges: Sequence[Judge]
    truth: float
    samples: int = 1

    def losses(self, parts: LanguageParts, batch: CriticBatch, generator: torch.Generator) -> dict[str, Tensor]:
        """Return a total with the gradient of the loss, and what captions score; `generator` draws the samples.

        The loss itself is near 0 whether captions are good or bad, and negative as often as not: nobody could see by it
        whether a training goes well. The total's value is what the captions that are compared with lack of the best
        reward there is.
        """
        special = self.tokenizer.special
        parts.eval()  # both as inference writes them; only the likelihood is computed with dropout
        context = CaptionContext(*(part.repeat(self.samples, *[1] * (part.ndim - 1)) for part in batch.context))
        sampled = write(parts.language, context, special, lambda logits: _drawn(logits, generator))
        reward = torch.tensor(self.rewards(sampled, batch)).view(self.samples, -1)
        if self.samples == 1:
            baseline = torch.tensor(self.rewards(write(parts.language, batch.context, special, _best), batch))
        else:
            baseline = (reward.sum(dim=0) - reward) / (self.samples - 1)
        parts.train()
        likelihood = mean_log_probability(parts.language, context, sampled, special)
        loss = -((reward - baseline).flatten().to(likelihood) * likelihood).mean()
        lacking = SCALE + self.truth - baseline.mean().to(loss)
        return {TOTAL: loss - loss.detach() + lacking, "sampled": reward.mean().to(loss), "loss": loss}

    def rewards(self, captions: Sequence[Sequence[int]], batch: CriticBatch) -> list[float]:
        """Return what captions of a batch's pictures are worth: CIDEr-D, 0 to 10, and `truth` for those that are true.

        Args:
            captions: As `write` returns them; the last token is no word. One for each picture, or several times that.
            batch: Of the pictures.
        """
        rows = len(captions) // len(batch.numbers)
        texts = [self.tokenizer.decode(caption[:-1]) for caption in captions]
        return [
            self.rarity.score(caption_words(text), wanted) + self.truth * bool(self.judges[number](text))
            for text, wanted, number in zip(texts, batch.references * rows, batch.numbers * rows, strict=True)
        ]


def unjudged(text: str) -> None:
    """Say nothing about any caption: the judge of a picture of which only captions are known."""


@torch.no_grad()
def write(
    transformer: FusionTransformer, context: CaptionContext, special: SpecialTokens, choose: Choose
) -> list[list[int]]:
    """Write a caption for each of B contexts, as `minivlm.language.sessions.CachedSession` does for one.

    Args:
        transformer: In eval mode.
        context: Of B pictures.
        special: Of the tokenizer.
        choose: Picks the next tokens.

    Returns:
        Tokens from [CLS] on; the last is [SEP], or whatever was picked where there is room for [SEP] only.
    """
    batch, device = len(context.tag_ids), context.tag_ids.device
    places = LAYOUT.tag_positions(device)[:, : context.tag_ids.shape[1]]
    rows = embed_context(transformer, context.tag_ids, places, context.regions)
    cache = context_keys_values(transformer, rows, context.mask)
    captions = torch.full((batch, 1), special.cls, device=device)
    ended = torch.zeros(batch, dtype=torch.bool, device=device)
    while captions.shape[1] < LONGEST and not bool(ended.all()):
        encoded, cache = _step(transformer, captions, cache, context.mask, special.mask)
        following = torch.where(ended, special.pad, choose(transformer.caption_head(encoded).float()))
        captions = torch.cat([captions, following[:, None]], dim=1)
        ended |= following == special.sep
    return [_cut(caption, special.sep) for caption in captions.tolist()]


def _step(
    transformer: FusionTransformer, captions: Tensor, cache: list[KeysValues], context_mask: Tensor, mask_token: int
) -> tuple[Tensor, list[KeysValues]]:
    """Compute the last token's row and [MASK]'s behind it; returns the (B, h) row of [MASK], and the cache."""
    batch, count = captions.shape
    token_ids = torch.stack([captions[:, -1], torch.full_like(captions[:, -1], mask_token)], dim=1)
    positions = torch.tensor([[count - 1, count]], device=captions.device)
    rows = transformer.embed(token_ids, torch.zeros_like(token_ids), positions)
    longer: list[KeysValues] = []

    def remember(layer: int, keys: Tensor, values: Tensor) -> KeysValues:
        whole = tuple(torch.cat(pair, dim=2) for pair in zip(cache[layer], (keys, values), strict=True))
        longer.append((whole[0][:, :, :-1], whole[1][:, :, :-1]))
        return whole[0], whole[1]

    own = context_mask.new_tensor([[[0.0, HIDDEN], [0.0, 0.0]]]).expand(batch, -1, -1)
    past = torch.cat([context_mask, context_mask.new_zeros(batch, 1, count - 1)], dim=2).expand(-1, 2, -1)
    encoded = step_layers(transformer, rows, remember, torch.cat([past, own], dim=2))
    return encoded[:, 1], longer


def mean_log_probability(
    transformer: FusionTransformer, context: CaptionContext, captions: Sequence[Sequence[int]], special: SpecialTokens
) -> Tensor:
    """Return the (B,) mean log-probability of the tokens behind [CLS], with gradients.

    Args:
        transformer: In the mode that the caller wants.
        context: Of B pictures.
        captions: One for each.
        special: Of the tokenizer.
    """
    rows = join_caption_rows([whole_rows([caption], special.mask) for caption in captions]).to(context.mask.device)
    asked = rows.originals != IGNORED
    log_probabilities = caption_logits(transformer, context, rows).float().log_softmax(dim=-1)
    of_tokens = log_probabilities.gather(1, rows.originals[asked][:, None])[:, 0]
    owners = asked.nonzero()[:, 0]
    sums = of_tokens.new_zeros(len(captions)).index_add(0, owners, of_tokens)
    return sums / asked.sum(dim=1)


def _best(logits: Tensor) -> Tensor:
    return logits.argmax(dim=1)


def _drawn(logits: Tensor, generator: torch.Generator) -> Tensor:
    """Draw on the CPU, where chance is the same whatever the device."""
    shares = logits.softmax(dim=1).cpu()
    return torch.multinomial(shares, 1, generator=generator)[:, 0].to(logits.device)


def _cut(caption: list[int], sep: int) -> list[int]:
    """Leave out what fills a caption that ended before others."""
    return caption[: caption.index(sep) + 1] if sep in caption else caption
