"""The transformer for a few rows at a time, as in a captioning step.

A step multiplies every weight by two rows, so its time is the time to read the weights. CPU libraries reach a quarter
to a half of that speed on `rows @ weight.T`, and come close to it on `weight @ rows.T`, which is the same product.
Single rows are worse still, because they go to a matrix-vector routine that runs on one core.
"""

import copy

import torch
from torch import Tensor, nn

from minivlm.language.transformer import FusionTransformer


class ThinLinear(nn.Module):
    """A linear layer whose weight is the left factor; shares the parameters of the layer it stands for."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.weight = linear.weight
        self.bias = linear.bias

    def forward(self, rows: Tensor) -> Tensor:
        """Map (..., K) to (..., N)."""
        flat = rows.reshape(-1, rows.shape[-1]).contiguous()  # the fast routine wants rows.T as a view of rows
        count = flat.shape[0]
        if count == 1:
            flat = flat.repeat(2, 1)  # to stay clear of the matrix-vector routine
        product = torch.mm(self.weight, flat.T).T[:count]  # (count, N)
        return (product + self.bias).reshape(*rows.shape[:-1], -1)


def thin(transformer: FusionTransformer) -> FusionTransformer:
    """Return the same transformer, weights shared, in the form for a few rows."""
    shared: dict[int, object] = {id(parameter): parameter for parameter in transformer.parameters()}
    twin = copy.deepcopy(transformer, shared)
    for parent in list(twin.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Linear):
                setattr(parent, name, ThinLinear(child))
    return twin
