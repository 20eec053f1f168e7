"""What the tests of training share: truths that are made up."""

import torch
from hypothesis import strategies as st
from torch import Tensor

from minivlm.training.matching import Truth

ATTRIBUTES = 11
"""Attribute classes of tee-tiny."""


def boxes_of(*corners: list[float]) -> Tensor:
    return torch.tensor(corners).reshape(-1, 4)


def truth_of(
    boxes: Tensor,
    classes: list[int] | None = None,
    attributes: list[list[int]] | None = None,
    crowds: Tensor | None = None,
) -> Truth:
    """Objects of class 1 without attributes, unless others are given."""
    has = torch.zeros(len(boxes), ATTRIBUTES, dtype=torch.bool)
    for row, columns in enumerate(attributes or []):
        has[row, columns] = True
    return Truth(
        boxes=boxes,
        classes=torch.ones(len(boxes), dtype=torch.int64) if classes is None else torch.tensor(classes),
        attributes=has,
        crowds=boxes_of() if crowds is None else crowds,
    )


def random_boxes(count: int, seed: int, side: float = 128.0) -> Tensor:
    """Return (count, 4) boxes of 4 pixels or more within a square."""
    numbers = torch.rand(count, 4, generator=torch.Generator().manual_seed(seed))
    size = 4.0 + numbers[:, 2:] * 0.6 * (side - 4.0)
    corner = numbers[:, :2] * (side - size)
    return torch.cat([corner, corner + size], dim=1)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


seeds = st.integers(0, 2**20)
