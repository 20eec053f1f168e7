"""What a model is shown of a picture: its regions and its tags, as inference shows them, or nothing at all."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from minivlm.inference.backend import tag_ids
from minivlm.inference.photo_regions import PhotoRegions, no_regions
from minivlm.training.features import Place, RegionFolder
from minivlm.training.language.region_table import RegionTable
from minivlm.weights.labels import Labels

TagSource = Literal["detector", "data", "both"]
"""Who names what is in a picture.

"detector" is the model's own, as at inference. "data" are the names of boxes.json, which people or a stronger detector
wrote (the paper's Table 3, `H`). "both" are these and then those, as for OI-Caps-7M (section 4.1).
"""


class Shown(Protocol):
    """What examples are made of, beside their texts; goes to worker processes by pickling."""

    @property
    def labels(self) -> Labels:
        """Of the model."""
        ...

    @property
    def sees(self) -> bool:
        """Whether anything is shown of pictures."""
        ...

    def look(self, picture: Path) -> PhotoRegions:
        """Return the regions of a picture."""
        ...

    def tags(self, picture: Path, regions: PhotoRegions) -> list[int]:
        """Return the token ids of a picture's tags.

        Args:
            picture: Its file.
            regions: Of this picture.
        """
        ...

    def filled(self, batch: Any) -> Any:
        """Return a batch on its device with all that was left out on the way there."""
        ...


@dataclass(frozen=True, kw_only=True)
class UnseenPictures:
    """Nothing of any picture: what texts alone teach is what a model that sees is held against; see `Shown`.

    Attributes:
        labels: Of the model.
        feature_dim: Numbers of a region's feature, of which there is none.
    """

    labels: Labels
    feature_dim: int
    sees = False

    def look(self, picture: Path) -> PhotoRegions:
        """See `Shown`: no region, whatever the picture."""
        return no_regions(self.feature_dim)

    def tags(self, picture: Path, regions: PhotoRegions) -> list[int]:
        """See `Shown`: none."""
        return []

    def filled(self, batch: Any) -> Any:
        """See `Shown`: as it is."""
        return batch


@dataclass(frozen=True, kw_only=True)
class KnownPictures:
    """Regions and tags of pictures; see `Shown`.

    Attributes:
        regions: Of all pictures; a table where vectors wait on an accelerator.
        places: Picture -> where its regions are.
        labels: Of the model.
        source: Of the tags.
        names: Picture -> names of its boxes, for tags that are from the data.
    """

    regions: RegionFolder | RegionTable
    places: Mapping[Path, Place]
    labels: Labels
    source: TagSource = "detector"
    names: Mapping[Path, tuple[str, ...]] = field(default_factory=dict)
    _told: dict[Path, list[int]] = field(default_factory=dict, init=False, repr=False, compare=False)
    sees = True

    def look(self, picture: Path) -> PhotoRegions:
        """See `Shown`."""
        return self.regions.read(self.places[picture])

    def tags(self, picture: Path, regions: PhotoRegions) -> list[int]:
        """See `Shown`."""
        if picture not in self._told:
            self._told[picture] = self._tag_ids(picture, regions)
        return list(self._told[picture])

    def _tag_ids(self, picture: Path, regions: PhotoRegions) -> list[int]:
        if self.source == "detector":
            return tag_ids(self.labels, regions)
        names = dict.fromkeys(self.names.get(picture, ()))
        if self.source == "both":
            names |= dict.fromkeys(self.labels.tags[tag] for tag in regions.tags[regions.valid].tolist())
        return self.labels.tokenizer.encode(" ".join(names))

    def filled(self, batch: Any) -> Any:
        """See `Shown`."""
        return self.regions.filled(batch) if isinstance(self.regions, RegionTable) else batch
