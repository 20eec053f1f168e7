"""The fusion transformer: a BERT encoder over text tokens followed by image regions (MiniVLM section 3.2; Oscar).

Text gets BERT's embeddings. Regions get one linear layer and no position, type or LayerNorm, as in microsoft/Oscar
`oscar/modeling/modeling_bert.py` (`BertImgModel`). The six sizes of the paper's Table 2 are the constants below.

Dropout is where BERT has it, and its modules are called in training only: a call that does nothing would still be an
operator of every exported graph and a cost of every captioning step.

Shapes: B batch, T text tokens, N regions, S = T + N, h hidden size, H heads, d = h / H, V vocabulary. Q and K are the
lengths of queries and of keys. Masks are added to attention scores: 0 lets a token be seen, a large
negative number hides it.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from minivlm.errors import UserError
from minivlm.language.attention import SelfAttention, bounded
from minivlm.language.initial_weights import draw_linear, initialize_layer


@dataclass(frozen=True, kw_only=True)
class TransformerConfig:
    """Sizes of a fusion transformer.

    Attributes:
        hidden: Width of the residual stream; a multiple of `heads`.
        intermediate: Width inside the feed-forward blocks.
        vocabulary: Number of token ids.
        positions: Number of position embeddings, the longest text.
        types: Number of token types: 0 for text, 1 for tags.
        region_dim: Width of a region vector: 1024 features and 6 numbers of box geometry.
        hidden_dropout: Share of rows' numbers that training zeroes, wherever a row is embedded or an update is added.
        attention_dropout: Share of attention weights that training zeroes.
    """

    layers: int
    hidden: int
    intermediate: int
    heads: int
    vocabulary: int = 30522
    positions: int = 512
    types: int = 2
    region_dim: int = 1030
    layer_norm_eps: float = 1e-12
    hidden_dropout: float = 0.1
    attention_dropout: float = 0.1

    def __post_init__(self) -> None:
        if self.hidden % self.heads:
            raise UserError(
                f"hidden size {self.hidden} with {self.heads} heads: heads must divide it; change one of the two"
            )

    @property
    def head_dim(self) -> int:
        """Width of one attention head."""
        return self.hidden // self.heads


BERT_BASE = TransformerConfig(layers=12, hidden=768, intermediate=3072, heads=12)
BERT_8 = TransformerConfig(layers=8, hidden=768, intermediate=3072, heads=12)
TINYBERT_6 = TransformerConfig(layers=6, hidden=768, intermediate=3072, heads=12)
BERT_4 = TransformerConfig(layers=4, hidden=768, intermediate=3072, heads=12)
MINILM = TransformerConfig(layers=12, hidden=384, intermediate=1536, heads=12)
TINYBERT_4 = TransformerConfig(layers=4, hidden=312, intermediate=1200, heads=12)
MINILM_SAMPLE = TransformerConfig(layers=6, hidden=256, intermediate=1024, heads=8, vocabulary=892, positions=128)
"""For composed scenes: their words (minivlm/assets/vocab_scenes.txt), and positions for the longest layout, VQA's."""
MINILM_TINY = TransformerConfig(layers=2, hidden=32, intermediate=64, heads=4, vocabulary=400)
"""MiniLM's topology at a size for tests."""


class TextEmbeddings(nn.Module):
    """Word, position and type embeddings, summed and normalised."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.words = nn.Embedding(config.vocabulary, config.hidden)
        self.positions = nn.Embedding(config.positions, config.hidden)
        self.types = nn.Embedding(config.types, config.hidden)
        self.norm = nn.LayerNorm(config.hidden, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout)

    def forward(self, token_ids: Tensor, token_types: Tensor, positions: Tensor) -> Tensor:
        """Embed three (B, T) int64 tensors as (B, T, h)."""
        rows = self.norm(self.words(token_ids) + self.positions(positions) + self.types(token_types))
        return self.dropout(rows) if self.training else rows


class RegionProjection(nn.Linear):
    """The embedding of regions: one linear layer."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__(config.region_dim, config.hidden)
        self.dropout = nn.Dropout(config.hidden_dropout)

    def forward(self, regions: Tensor) -> Tensor:
        """Project (..., region_dim) to (..., h)."""
        rows = super().forward(regions)
        return self.dropout(rows) if self.training else rows


class EncoderLayer(nn.Module):
    """One post-LayerNorm BERT layer. Its caller projects the rows, so that keys and values can be cached."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.attention = SelfAttention(config.hidden, config.heads, config.attention_dropout)
        self.attention_norm = nn.LayerNorm(config.hidden, eps=config.layer_norm_eps)
        self.intermediate = nn.Linear(config.hidden, config.intermediate)
        self.activation = nn.GELU()  # the exact one, by erf
        self.output = nn.Linear(config.intermediate, config.hidden)
        self.output_norm = nn.LayerNorm(config.hidden, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout)

    def forward(self, rows: Tensor, queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> Tensor:
        """Map (B, Q, h) rows to the next layer's; the other shapes as in `SelfAttention.forward`."""
        update = self.attention(queries, keys, values, mask)
        if self.training:
            update = self.dropout(update)
        rows = self.attention_norm(rows + update)
        update = self.output(self.activation(self.intermediate(rows)))
        if self.training:
            update = self.dropout(update)
        return self.output_norm(rows + update)


class Encoder(nn.Module):
    """A stack of layers in which every row attends to every row that the mask leaves open."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(EncoderLayer(config) for _ in range(config.layers))

    def __iter__(self) -> Iterator[EncoderLayer]:
        return cast(Iterator[EncoderLayer], iter(self.layers))

    def forward(self, rows: Tensor, mask: Tensor) -> Tensor:
        """Encode (B, S, h) rows under a (B, 1|S, S) mask; returns (B, S, h)."""
        mask = bounded(mask)
        for layer in self:
            rows = layer(rows, *layer.attention.project(rows), mask)
        return rows


class Pooler(nn.Module):
    """Linear and tanh on the first token's row."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.dense = nn.Linear(config.hidden, config.hidden)

    def forward(self, encoded: Tensor) -> Tensor:
        """(B, S, h) -> (B, h)."""
        return torch.tanh(self.dense(encoded[:, 0]))


class CaptionHead(nn.Module):
    """BERT's masked-token head. The decoder has weights of its own: Oscar fine-tunes captioning untied."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.dense = nn.Linear(config.hidden, config.hidden)
        self.activation = nn.GELU()
        self.norm = nn.LayerNorm(config.hidden, eps=config.layer_norm_eps)
        self.decoder = nn.Linear(config.hidden, config.vocabulary)

    def forward(self, rows: Tensor) -> Tensor:
        """(..., h) -> (..., V) logits."""
        return self.decoder(self.norm(self.activation(self.dense(rows))))


class FusionTransformer(nn.Module):
    """Text and regions in, pooled vector and token logits out.

    Built with BERT's initialisation from the global generator; `initialize` draws it anew from one of its own, and
    `randomize` draws weights under which an untrained model behaves like a trained one.
    """

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        self.embeddings = TextEmbeddings(config)
        self.region_projection = RegionProjection(config)
        self.encoder = Encoder(config)
        self.pooler = Pooler(config)
        self.caption_head = CaptionHead(config)
        self.apply(initialize_layer)

    def embed(self, token_ids: Tensor, token_types: Tensor, positions: Tensor) -> Tensor:
        """Embed three (B, T) int64 tensors as (B, T, h)."""
        return self.embeddings(token_ids, token_types, positions)

    def project(self, regions: Tensor) -> Tensor:
        """Project (B, N, region_dim) region vectors to (B, N, h)."""
        return self.region_projection(regions)

    def encode(self, embedded: Tensor, mask: Tensor) -> Tensor:
        """Run the encoder.

        Args:
            embedded: (B, S, h) text rows, then region rows.
            mask: (B, 1, S) or (B, S, S) float, added to the scores of the row that asks (dim 1).

        Returns:
            (B, S, h).
        """
        return self.encoder(embedded, mask)

    def fuse(self, token_ids: Tensor, token_types: Tensor, positions: Tensor, regions: Tensor, mask: Tensor) -> Tensor:
        """Encode text and regions together, (B, S, h); arguments as in `forward`."""
        embedded = torch.cat([self.embed(token_ids, token_types, positions), self.project(regions)], dim=1)
        return self.encode(embedded, mask)

    def pool(self, token_ids: Tensor, token_types: Tensor, positions: Tensor, regions: Tensor, mask: Tensor) -> Tensor:
        """Return the (B, h) pooled vector that the task heads judge; arguments as in `forward`."""
        return self.pooler(self.fuse(token_ids, token_types, positions, regions, mask))

    def forward(
        self, token_ids: Tensor, token_types: Tensor, positions: Tensor, regions: Tensor, mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The pass that the paper's Table 2 counts: the caption head runs on all T text positions.

        Args:
            token_ids: (B, T) int64.
            token_types: (B, T) int64.
            positions: (B, T) int64.
            regions: (B, N, region_dim).
            mask: (B, 1, S) or (B, S, S) float, additive.

        Returns:
            pooled: (B, h), caption_logits: (B, T, V).
        """
        encoded = self.fuse(token_ids, token_types, positions, regions, mask)
        return self.pooler(encoded), self.caption_head(encoded[:, : token_ids.shape[1]])

    @torch.no_grad()
    def initialize(self, generator: torch.Generator) -> None:
        """Draw weights to start training from: BERT's, normal with standard deviation 0.02, biases 0, norms identity.

        Args:
            generator: Source of the numbers, on the weights' device.
        """
        self.apply(lambda module: initialize_layer(module, generator))

    @torch.no_grad()
    def randomize(self, generator: torch.Generator) -> None:
        """Draw weights under which an untrained model answers to its inputs and does not repeat one token.

        BERT's 0.02 leaves logits with a spread of about 0.3 and uniform attention: every input yields the same
        near-tie. Drawing every layer to keep the size of its input is not enough: over twelve layers all rows become
        alike. So weights are normal with standard deviation gain / sqrt(inputs), biases zero, LayerNorms the identity,
        and the gains are, for L layers:

        * queries and keys sqrt(3), for attention scores of standard deviation 3: sharp enough to choose, and still
          not amplifying rounding errors from layer to layer;
        * outputs of attention sqrt(3 / L), of feed-forward blocks sqrt(0.5 / L), so that depth neither drowns a row in
          what all rows share nor hides the regions from it;
        * the decoder 2, for logits of standard deviation 2; all others 1.

        Embeddings have standard deviation 1 for words, 1.5 for positions, 0.3 for types.

        Args:
            generator: Source of the numbers, on the weights' device.
        """
        for module in self.modules():
            if isinstance(module, nn.Linear):
                draw_linear(module, 1.0, generator)
            elif isinstance(module, nn.LayerNorm):
                module.reset_parameters()
        for layer in self.encoder:
            draw_linear(layer.attention.query, math.sqrt(3.0), generator)
            draw_linear(layer.attention.key, math.sqrt(3.0), generator)
            draw_linear(layer.attention.output, math.sqrt(3.0 / self.config.layers), generator)
            draw_linear(layer.output, math.sqrt(0.5 / self.config.layers), generator)
        draw_linear(self.caption_head.decoder, 2.0, generator)
        self.embeddings.words.weight.normal_(0.0, 1.0, generator=generator)
        self.embeddings.positions.weight.normal_(0.0, 1.5, generator=generator)
        self.embeddings.types.weight.normal_(0.0, 0.3, generator=generator)
