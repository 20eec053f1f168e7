"""What is known about one photo: its regions, in the photo's own pixels."""

from dataclasses import dataclass

import torch
from torch import Tensor

from minivlm.images.preprocess import NetworkInput
from minivlm.vision.regions import GEOMETRY, Regions, region_vectors


@dataclass(frozen=True, kw_only=True)
class PhotoRegions:
    """The regions of a photo by falling score; all that texts about the photo are answered from.

    Attributes:
        photo_size: Height and width in pixels.
        boxes: (N, 4) float32 xyxy pixels of the photo.
        scores: (N,) float32 class probabilities; 0 marks a row that only fills the fixed number of rows.
        tags: (N,) int64 class ids.
        features: (N, D) float32.
        geometry: (N, 6) float32, see `box_geometry`.
        attributes: (N,) int64, see `Regions`; None where nothing was said of attributes.
        attribute_scores: (N,) float32 probabilities of these; None likewise.
    """

    photo_size: tuple[int, int]
    boxes: Tensor
    scores: Tensor
    tags: Tensor
    features: Tensor
    geometry: Tensor
    attributes: Tensor | None = None
    attribute_scores: Tensor | None = None

    @property
    def present(self) -> dict[str, Tensor]:
        """The tensors that are there, by name."""
        return {name: field for name, field in vars(self).items() if isinstance(field, Tensor)}

    @property
    def valid(self) -> Tensor:
        """(N,) bool, False for rows that only fill."""
        return self.scores > 0.0

    @property
    def vectors(self) -> Tensor:
        """(N, D + 6) rows for the transformer."""
        return region_vectors(self.features, self.geometry)

    def top(self, count: int) -> "PhotoRegions":
        """Return the best `count` valid regions, or all where there are fewer."""
        rows = self.valid.nonzero()[:count, 0]
        return PhotoRegions(photo_size=self.photo_size, **{name: field[rows] for name, field in self.present.items()})


def no_regions(feature_dim: int) -> PhotoRegions:
    """Return what is known of a photo that nobody looked at: nothing, not even its size."""
    nothing = torch.zeros(0)
    return PhotoRegions(
        photo_size=(1, 1),
        boxes=nothing.reshape(0, 4),
        scores=nothing,
        tags=nothing.long(),
        features=nothing.reshape(0, feature_dim),
        geometry=nothing.reshape(0, GEOMETRY),
    )


def in_photo(fitted: NetworkInput, regions: Regions) -> PhotoRegions:
    """Carry what a detector found over to the photo."""
    return PhotoRegions(photo_size=fitted.photo_size, **{**regions.present, "boxes": fitted.to_photo(regions.boxes)})
