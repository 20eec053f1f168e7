"""Which tokens a model has to guess, and what stands in their place (Devlin et al. 2019; microsoft/Oscar).

Of the tokens that are chosen, 80 % become [MASK], 10 % another token by chance, and 10 % stay as they are.
"""

import torch
from torch import Tensor

from minivlm.language.tokenizer import SpecialTokens

IGNORED = -100
"""In the place of a token that is not to be guessed; `cross_entropy`'s own."""
SHARE = 0.15
"""Of tokens that are to be guessed."""
MASKED, REPLACED = 0.8, 0.1
"""Shares of these that become [MASK], or any token."""
MOST_OF_A_CAPTION = 3
"""Tokens of a caption that are to be guessed at most (`max_masked_tokens` of `oscar/run_captioning.py`)."""


def mask_text(
    token_ids: Tensor, special: SpecialTokens, vocabulary: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Choose each token of text and tags with a probability of `SHARE` (`random_word` of `oscar_tsv.py`).

    Args:
        token_ids: (1, T) int64, as a layout made them.
        special: Tokens that are never chosen.
        vocabulary: Number of tokens.
        generator: Source of chance.

    Returns:
        token_ids: (1, T) int64, what the model sees; originals: (1, T) int64, what it is to guess, or `IGNORED`.
    """
    kept = torch.tensor([special.pad, special.cls, special.sep])
    chosen = (torch.rand(token_ids.shape, generator=generator) < SHARE) & ~torch.isin(token_ids, kept)
    return _replace(token_ids, chosen, special, vocabulary, generator)


def mask_caption(
    token_ids: Tensor, special: SpecialTokens, vocabulary: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Choose `masks_of` tokens of a caption, of which [SEP] may be one and [CLS] is none (`CaptionTensorizer`).

    Args:
        token_ids: (n,) int64 from [CLS] to [SEP].
        special: For [MASK].
        vocabulary: Number of tokens.
        generator: Source of chance.

    Returns:
        As `mask_text`, (n,) each.
    """
    length = len(token_ids)
    places = 1 + torch.randperm(length - 1, generator=generator)[: masks_of(length)]
    chosen = torch.zeros(length, dtype=torch.bool)
    chosen[places] = True
    return _replace(token_ids, chosen, special, vocabulary, generator)


def masks_of(length: int) -> int:
    """Return how many tokens of a caption are to be guessed, [CLS] and [SEP] counted in its length."""
    return min(max(round(SHARE * length), 1), MOST_OF_A_CAPTION)


def _replace(
    token_ids: Tensor, chosen: Tensor, special: SpecialTokens, vocabulary: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    fate = torch.rand(token_ids.shape, generator=generator)
    others = torch.randint(vocabulary, token_ids.shape, generator=generator)
    seen = torch.where(chosen & (fate < MASKED), special.mask, token_ids)
    seen = torch.where(chosen & (fate >= MASKED) & (fate < MASKED + REPLACED), others, seen)
    return seen, torch.where(chosen, token_ids, IGNORED)
