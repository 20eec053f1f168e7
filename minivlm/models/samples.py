"""Made-up inputs of the paper's sizes, the same on every machine: what models are counted, timed and verified on."""

import torch

from minivlm.language.layout import HIDDEN, TransformerInputs
from minivlm.language.transformer import TransformerConfig

TEXT_TOKENS = 35
REGIONS = 50
"""Sequence of the paper's Table 2: 35 text tokens and 50 regions."""
SAMPLE_SEED = 2020
HIDDEN_SHARE = 0.3
"""Of the tokens, text and regions, in the second sample of a sequence."""


def sequence_samples(config: TransformerConfig) -> tuple[TransformerInputs, TransformerInputs]:
    """Return two sequences of Table 2's size: one in which everything is seen, and one with some of it hidden."""
    generator = torch.Generator().manual_seed(SAMPLE_SEED)
    positions = torch.arange(TEXT_TOKENS)[None]

    def sequence(mask: torch.Tensor) -> TransformerInputs:
        return TransformerInputs(
            token_ids=torch.randint(config.vocabulary, (1, TEXT_TOKENS), generator=generator),
            token_types=(positions >= TEXT_TOKENS // 2).to(torch.int64),
            positions=positions,
            regions=torch.randn(1, REGIONS, config.region_dim, generator=generator),
            mask=mask,
        )

    everything = torch.zeros(1, 1, TEXT_TOKENS + REGIONS)
    part = torch.where(torch.rand(everything.shape, generator=generator) < HIDDEN_SHARE, HIDDEN, everything)
    return sequence(everything), sequence(part)
