"""What a model is shown of a picture: its regions and its tags, as inference shows them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from minivlm.inference.backend import tag_ids
from minivlm.inference.photo_regions import PhotoRegions
from minivlm.training.features import Place, RegionFolder
from minivlm.weights.labels import Labels

TagSource = Literal["detector", "data", "both"]
"""Who names what is in a picture.

"detector" is the model's own, as at inference. "data" are the names of boxes.json, which people or a stronger detector
wrote (the paper's Table 3, `H`). "both" are these and then those, as for OI-Caps-7M (section 4.1).
"""


@dataclass(frozen=True, kw_only=True)
class KnownPictures:
    """Regions and tags of pictures.

    Attributes:
        regions: Of all pictures.
        places: Picture -> where its regions are.
        labels: Of the model.
        source: Of the tags.
        names: Picture -> names of its boxes, for tags that are from the data.
    """

    regions: RegionFolder
    places: Mapping[Path, Place]
    labels: Labels
    source: TagSource = "detector"
    names: Mapping[Path, tuple[str, ...]] = field(default_factory=dict)

    def look(self, picture: Path) -> PhotoRegions:
        """Return the regions of a picture."""
        return self.regions.read(self.places[picture])

    def tags(self, picture: Path, regions: PhotoRegions) -> list[int]:
        """Return the token ids of a picture's tags.

        Args:
            picture: Its file.
            regions: Of this picture.
        """
        if self.source == "detector":
            return tag_ids(self.labels, regions)
        names = dict.fromkeys(self.names.get(picture, ()))
        if self.source == "both":
            names |= dict.fromkeys(self.labels.tags[tag] for tag in regions.tags[regions.valid].tolist())
        return self.labels.tokenizer.encode(" ".join(names))
