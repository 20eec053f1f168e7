"""What region extractors have in common: which of their parts are dense, and what they return."""

from typing import NamedTuple

import torch
from torch import Tensor

DENSE_PARTS = ("backbone", "rpn", "box_head", "attribute_head")
"""Parts of a detector that compute with pixels and features only, in tensors of four dimensions at most: what an
accelerator runs, or fp16. They have all of its weights. The rest works on boxes in pixels and row numbers: areas up to
512 x 512 overflow fp16's 65,504, and from 2,048 on it has not every whole number."""
GEOMETRY = 6
"""Numbers of `box_geometry`, appended to a region's feature."""


class Regions(NamedTuple):
    """The regions of one image, by falling score.

    A tuple of tensors, so that an exported graph returns the same fields in the same order. The last two are None of a
    detector without an attribute head, and of artifacts that were made before there were attributes.

    Attributes:
        features: (N, D) float32.
        boxes: (N, 4) float32 xyxy pixels of the network's input.
        geometry: (N, 6) float32, `box_geometry` of the boxes.
        tags: (N,) int64 class ids, 0-based over the foreground classes.
        scores: (N,) float32 class probabilities; 0 marks a row that only fills the fixed number of rows.
        attributes: (N,) int64 ids of what each region most likely is like, given its tag; 0 is "no attribute".
        attribute_scores: (N,) float32 probabilities of these.
    """

    features: Tensor
    boxes: Tensor
    geometry: Tensor
    tags: Tensor
    scores: Tensor
    attributes: Tensor | None = None
    attribute_scores: Tensor | None = None

    @property
    def present(self) -> dict[str, Tensor]:
        """The fields that are there, by name and in order."""
        return {name: field for name, field in self._asdict().items() if field is not None}

    @property
    def valid(self) -> Tensor:
        """(N,) bool, False for rows that only fill."""
        return self.scores > 0.0

    @property
    def vectors(self) -> Tensor:
        """(N, D + 6) rows for the transformer, see `region_vectors`."""
        return region_vectors(self.features, self.geometry)


def region_vectors(features: Tensor, geometry: Tensor) -> Tensor:
    """Return the transformer's rows, (..., D + 6), from (..., D) features and (..., 6) geometry, in this order."""
    return torch.cat([features, geometry], dim=-1)


def check_one_picture(maps: Tensor) -> None:
    """Refuse a batch where regions are found in one picture at a time: all but the first would be lost or mixed in.

    Raises:
        ValueError: The tensor is not (1, C, H, W).
    """
    if maps.ndim != 4 or maps.shape[0] != 1:
        raise ValueError(f"regions are found in one picture at a time: pass (1, C, H, W), not {tuple(maps.shape)}")


def box_geometry(boxes: Tensor, extent: Tensor) -> Tensor:
    """The 6 numbers that OSCAR appends to a region's feature (microsoft/Oscar issue 10; MiniVLM section 3.1).

    Args:
        boxes: (N, 4) xyxy pixels.
        extent: (2,) height and width in pixels of the photo within the network's input.

    Returns:
        (N, 6): x1/W, y1/H, x2/W, y2/H, (x2 - x1)/W, (y2 - y1)/H.
    """
    height, width = extent.unbind(0)
    corners = boxes / torch.stack([width, height, width, height])
    return torch.cat([corners, corners[:, 2:] - corners[:, :2]], dim=1)


def regions_of(
    features: Tensor, boxes: Tensor, tags: Tensor, scores: Tensor, extent: Tensor, rows: Tensor, kept: Tensor
) -> Regions:
    """Pick the regions that NMS kept.

    Args:
        features: (R, D).
        boxes: (R, 4) xyxy pixels.
        tags: (R,) int64.
        scores: (R,).
        extent: (2,), see `box_geometry`.
        rows: (N,) int64, of the above.
        kept: (N,) bool, False for rows that only fill.
    """
    boxes = boxes.index_select(0, rows)
    return Regions(
        features=features.index_select(0, rows),
        boxes=boxes,
        geometry=box_geometry(boxes, extent),
        tags=tags.index_select(0, rows),
        scores=torch.where(kept, scores.index_select(0, rows), 0.0),
    )
