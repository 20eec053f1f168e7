"""Parts of a model that compute in float16, between inputs and outputs that stay float32."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from minivlm.vision.regions import DENSE_PARTS


class WideNorm(nn.Module):
    """A LayerNorm that computes in float32 on float16 rows.

    ExecuTorch's kernel sums squares in float16: of a trained model's rows, of up to 21, it is off by 68.
    """

    def __init__(self, norm: nn.LayerNorm) -> None:
        super().__init__()
        self.norm = norm.float()

    def forward(self, rows: Tensor) -> Tensor:
        """Normalise (..., h) rows."""
        return self.norm(rows.float()).half()


class HalfPart(nn.Module):
    """A module with float16 weights, LayerNorms left out, which takes and gives float32.

    Args:
        part: To be changed: its weights are rounded in place.
    """

    def __init__(self, part: nn.Module) -> None:
        super().__init__()
        self.part = part.half()
        for parent in list(part.modules()):
            for name, child in list(parent.named_children()):
                if isinstance(child, nn.LayerNorm):
                    setattr(parent, name, WideNorm(child))

    def forward(self, *inputs: Any) -> Any:
        """Call the part on tensors, or lists of them; whole numbers and masks of bools pass as they are."""
        return tree_map(_widened, self.part(*tree_map(_narrowed, inputs)))


def computing_half(module: nn.Module, *, detector: bool) -> nn.Module:
    """Return a module whose layers compute in float16; the given one is changed.

    Args:
        module: A copy that nobody else uses.
        detector: Whether a detector is in it, of which only `DENSE_PARTS` do.
    """
    if not detector:
        return HalfPart(module)
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if name in DENSE_PARTS:
                setattr(parent, name, HalfPart(child))
    return module


def _narrowed(value: Any) -> Any:
    return value.half() if isinstance(value, Tensor) and value.dtype is torch.float32 else value


def _widened(value: Any) -> Any:
    return value.float() if isinstance(value, Tensor) and value.dtype is torch.float16 else value
