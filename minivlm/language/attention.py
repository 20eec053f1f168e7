"""Multi-head attention of the fusion transformer.

Shapes: as in `minivlm.language.transformer`.
"""

import math

import torch
from torch import Tensor, nn

LEAST_MASK = -30000.0
"""Of a mask. exp() of it is 0, and with a score added it is still within float16, which ends at -65,504."""


def bounded(mask: Tensor) -> Tensor:
    """Bring a (B, 1|Q, K) mask between `LEAST_MASK` and 0, however large the number is that hides a token.

    With the smallest float32 or -inf, and every token hidden, softmax in float16 would be NaN. Scores that are moved by
    one number all have the same softmax, so that a row to which every token is hidden sees them all. Moved back to 0,
    scores are not rounded to the steps of large numbers, which are 8 in float16 at -10,000.
    """
    mask = mask.clamp(min=LEAST_MASK)
    return mask - mask.amax(dim=-1, keepdim=True)


class SelfAttention(nn.Module):
    """Multi-head attention, written out.

    `scaled_dot_product_attention` is avoided: its decomposition leaves comparison chains outside accelerator
    delegates, and its CPU kernel hides the two matrix products from operation counters.

    Args:
        hidden: h, a multiple of H.
        heads: H.
        dropout: Share of attention weights that training zeroes.
    """

    def __init__(self, hidden: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.head_dim = hidden // heads
        self.query = nn.Linear(hidden, hidden)
        self.key = nn.Linear(hidden, hidden)
        self.value = nn.Linear(hidden, hidden)
        self.output = nn.Linear(hidden, hidden)
        self.dropout = nn.Dropout(dropout)

    def _split(self, rows: Tensor) -> Tensor:
        batch, length, _ = rows.shape
        return rows.reshape(batch, length, self.heads, self.head_dim).transpose(1, 2)  # (B, H, S, d)

    def project(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Project (B, S, h) rows to what they ask with and are asked by: queries, keys, values, (B, H, S, d) each."""
        queries = self.query(rows) * (1.0 / math.sqrt(self.head_dim))
        return self._split(queries), self._split(self.key(rows)), self._split(self.value(rows))

    def forward(self, queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> Tensor:
        """Let (B, H, Q, d) queries ask (B, H, K, d) keys and values under a (B, 1|Q, K) mask; returns (B, Q, h)."""
        weights = attention_weights(queries, keys, mask)
        if self.training:
            weights = self.dropout(weights)
        return self.output(mix(weights, values))


def attention_weights(queries: Tensor, keys: Tensor, mask: Tensor) -> Tensor:
    """Return the (B, H, Q, K) share that each key has in a scaled query's answer; see `SelfAttention.forward`."""
    return torch.softmax(_product(queries, keys.transpose(2, 3)) + mask[:, None], dim=-1)


def mix(weights: Tensor, values: Tensor) -> Tensor:
    """Mix (B, H, K, d) values by (B, H, Q, K) weights, heads side by side: (B, Q, H * d)."""
    return _product(weights, values).transpose(1, 2).flatten(2)


def _product(left: Tensor, right: Tensor) -> Tensor:
    """Multiply (B, H, M, K) by (B, H, K, N). `torch.matmul` would put an expansion of each side into the graph."""
    return torch.bmm(left.flatten(0, 1), right.flatten(0, 1)).unflatten(0, left.shape[:2])
