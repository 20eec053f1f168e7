"""What the tests of BERT's weights share: small encoders of both implementations."""

from typing import Any

from torch import Tensor

from minivlm.language.transformer import TransformerConfig

CONFIGS = [
    TransformerConfig(layers=2, hidden=32, intermediate=64, heads=4, vocabulary=120, positions=40),
    TransformerConfig(layers=3, hidden=48, intermediate=80, heads=12, vocabulary=99, positions=64),
]
SMALL = CONFIGS[0]


def hf_config(transformers: Any, config: TransformerConfig, **extra: Any) -> Any:
    return transformers.BertConfig(
        num_hidden_layers=config.layers,
        hidden_size=config.hidden,
        intermediate_size=config.intermediate,
        num_attention_heads=config.heads,
        vocab_size=config.vocabulary,
        max_position_embeddings=config.positions,
        initializer_range=0.3,  # visible outputs and sharp attention
        **extra,
    )


def untied(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key: tensor.clone() for key, tensor in state.items()}
