"""The transformer in the form that writes captions fastest on a CPU, same weights, same results.

A captioning step multiplies every weight by two rows, so its time is the time to read the weights. CPU libraries reach
a quarter to a half of that speed on `rows @ weight.T`, and come close to it on `weight @ rows.T`, which is the same
product. Single rows are worse still, because they go to a matrix-vector routine that runs on one core. The rest is the
overhead of starting operators, so queries, keys and values are one product.
"""

import copy

import torch
from torch import Tensor, nn

from minivlm.language.attention import SelfAttention, attention_weights, mix
from minivlm.language.transformer import FusionTransformer


class ThinLinear(nn.Module):
    """A linear layer whose weight is the left factor.

    Args:
        weight: (N, K).
        bias: (N,).
    """

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.weight = weight
        self.bias = bias

    def forward(self, rows: Tensor) -> Tensor:
        """Map (..., K) to (..., N)."""
        flat = rows.flatten(0, -2).contiguous()  # (count, K); the fast routine wants its transpose to be a view
        shape = (*rows.shape[:-1], len(self.weight))
        if len(flat) == 1:  # twice, to stay clear of the matrix-vector routine
            return self(flat.repeat(2, 1))[:1].view(shape)
        product = nn.functional.linear(self.weight, flat).t()  # (count, N), in other words weight @ rows.T
        return (product + self.bias).view(shape)


class ThinAttention(nn.Module):
    """A `SelfAttention` with one product for its three projections, of whose weights it has a scaled copy.

    Args:
        attention: What it stands for.
    """

    def __init__(self, attention: SelfAttention) -> None:
        super().__init__()
        self.shape = (3, attention.heads, attention.head_dim)
        parts = ((attention.query, attention.head_dim**-0.5), (attention.key, 1.0), (attention.value, 1.0))
        self.projection = ThinLinear(
            torch.cat([linear.weight * scale for linear, scale in parts]),
            torch.cat([linear.bias * scale for linear, scale in parts]),
        )
        self.output = ThinLinear(attention.output.weight, attention.output.bias)

    def project(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See `SelfAttention.project`."""
        queries, keys, values = self.projection(rows).unflatten(-1, self.shape).permute(2, 0, 3, 1, 4)
        return queries, keys, values

    def forward(self, queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> Tensor:
        """See `SelfAttention.forward`."""
        return self.output(mix(attention_weights(queries, keys, mask), values))


@torch.no_grad()
def thin(transformer: FusionTransformer) -> FusionTransformer:
    """Return the same transformer in the form for a few rows; it shares all weights but those of projections."""
    shared: dict[int, object] = {id(parameter): parameter for parameter in transformer.parameters()}
    twin = copy.deepcopy(transformer, shared)
    for parent in list(twin.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, SelfAttention):
                setattr(parent, name, ThinAttention(child))
            elif isinstance(child, nn.Linear):
                setattr(parent, name, ThinLinear(child.weight, child.bias))
    return twin
