"""The regions of a frozen detector, found once a picture and kept in a folder: what the transformer learns from.

`minivlm.inference.features` keeps a file for each photo, in float32 and with a hash of its content that is looked at
whenever it is read. That is right for commands and too slow for training, which reads each picture hundreds of times.
Here some hundreds of pictures share a file, features are float16, and a row is read by itself from a memory map.

NAME.safetensors, P pictures and N regions each:

features (P, N, D) float16, boxes (P, N, 4), geometry (P, N, 6), scores (P, N) float32, tags (P, N) int32, sizes (P, 2)
int32 height and width of the photo; metadata: format, the detector's hash, and the SHA-256 of each picture's file.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from minivlm.errors import UserError
from minivlm.evaluation.sight import Sight
from minivlm.inference.features import photo_hash
from minivlm.inference.photo_regions import PhotoRegions
from minivlm.inference.pipeline import Pipeline
from minivlm.storage.files import exists, is_folder, replacing

FORMAT = "1"
"""Changes when pictures are prepared, or files laid out, in another way."""
AT_A_TIME = 256
"""Pictures of a file: what an interruption loses at most. 27 MB with 50 regions of 1024 features."""
NAME = 16
"""Letters of a file's name."""
WAY_OUT = "make them again by minivlm train features, in a new folder"

Place = tuple[int, int]
"""Number of a file, and a picture's row in it."""
Told = Callable[[int, int], None]
"""Is told which picture is looked at, from 1, and of how many."""
Part = tuple[tuple[str, Path], ...]
"""Pictures that a file holds the regions of: the SHA-256 of each, and where it is."""
Keep = Callable[[Sequence[Part]], None]
"""Finds the regions of all pictures of some parts, and writes them, part after part."""


class RegionFolder:
    """A folder of kept regions; files are opened on first use, in each process anew.

    Args:
        folder: That `keep_regions` wrote.
        detector_hash: Of the detector that the model has, see `Backend.detector_hash`.

    Raises:
        UserError: There are none, they are damaged, or another detector found them.
    """

    def __init__(self, folder: Path, detector_hash: str) -> None:
        if not is_folder(folder):
            raise UserError(f"{folder} is no folder: make the regions by minivlm train features {folder}")
        self.folder = folder
        self.detector_hash = detector_hash
        self._files = sorted(folder.glob("*.safetensors"))
        self._places: dict[str, Place] = {}
        self._open: dict[int, Any] = {}
        for number, path in enumerate(self._files):
            for row, picture in enumerate(_pictures_of(path, detector_hash)):
                self._places[picture] = (number, row)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_open": {}}

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, picture_hash: str) -> bool:
        return picture_hash in self._places

    def places(self, pictures: Iterable[Path], told: Told = lambda number, of: None) -> dict[Path, Place]:
        """Return where the regions of pictures are; every picture's file is hashed.

        Raises:
            UserError: A picture cannot be read, or has none here.
        """
        found: dict[Path, Place] = {}
        for picture, key in _hashed(pictures, told).items():
            if key not in self._places:
                raise UserError(
                    f"{self.folder} has no regions of {picture}, or of what it was then: go on with minivlm train"
                    f" features {self.folder} on this data"
                )
            found[picture] = self._places[key]
        return found

    def place(self, picture: Path) -> Place | None:
        """Return where the regions of a picture are; None where it has none here.

        Raises:
            PhotoError: It cannot be read.
        """
        return self._places.get(photo_hash(picture))

    def read(self, place: Place) -> PhotoRegions:
        """Return the regions of a picture, in float32 as all that use them expect."""
        from safetensors import safe_open

        number, row = place
        if number not in self._open:
            self._open[number] = safe_open(self._files[number], framework="pt")
        file = self._open[number]
        height, width = file.get_slice("sizes")[row].tolist()
        return PhotoRegions(
            photo_size=(height, width),
            boxes=file.get_slice("boxes")[row],
            scores=file.get_slice("scores")[row],
            tags=file.get_slice("tags")[row].long(),
            features=file.get_slice("features")[row].float(),
            geometry=file.get_slice("geometry")[row],
        )


def holds_regions(folder: Path) -> bool:
    """Tell a folder that `keep_regions` wrote from one of `minivlm.inference.features`, by the names in it."""
    return any(len(path.stem) == NAME for path in folder.glob("*.safetensors"))


def kept_sight(folder: RegionFolder, pipeline: Pipeline) -> Sight:
    """Return a sight that takes regions that are kept, and lets the detector look at pictures that have none."""

    def look(picture: Path) -> PhotoRegions:
        place = folder.place(picture)
        return pipeline.regions(picture) if place is None else folder.read(place)

    return Sight(name="detector, kept in float16", look=look)


@dataclass(frozen=True, kw_only=True)
class Kept:
    """What `keep_regions` did.

    Attributes:
        pictures: Different ones of the data.
        found: Of how many the detector had to find regions now.
    """

    pictures: int
    found: int


def keep_regions(folder: Path, pictures: Sequence[Path], detector_hash: str, keep: Keep, hashing: Told) -> Kept:
    """Find the regions of all pictures that are not kept yet, file by file: what is interrupted can be begun again.

    Args:
        folder: May hold regions of the same detector, of these and other pictures.
        pictures: Files.
        detector_hash: Of the detector, see `Detector`.
        keep: Does it, see `minivlm.training.finding`.
        hashing: Told of the pictures that are looked at.

    Raises:
        UserError: A picture cannot be read, the folder holds another detector's regions or cannot be written, or
            features are too large for float16.
    """
    if exists(folder) and not is_folder(folder):
        raise UserError(f"{folder} is a file: name a folder, which may be new")
    folder.mkdir(parents=True, exist_ok=True)
    kept = RegionFolder(folder, detector_hash)
    wanted = {key: picture for picture, key in _hashed(pictures, hashing).items()}
    missing = [(key, picture) for key, picture in wanted.items() if key not in kept]
    keep([tuple(missing[first : first + AT_A_TIME]) for first in range(0, len(missing), AT_A_TIME)])
    return Kept(pictures=len(wanted), found=len(missing))


def write_regions(folder: Path, part: Part, found: Sequence[PhotoRegions], detector_hash: str) -> None:
    """Write a file of regions.

    Args:
        folder: Where it gets a name that no other part has.
        part: Which pictures.
        found: Their regions.
        detector_hash: See `Detector`.

    Raises:
        UserError: It cannot be written, or features are too large for float16.
    """
    from safetensors.torch import save_file

    features = torch.stack([one.features for one in found]).half()
    if not bool(torch.isfinite(features).all()):
        raise UserError("the detector's features exceed float16, in which they are kept: train it with lower rates")
    tensors: dict[str, Tensor] = {
        "features": features,
        "boxes": torch.stack([one.boxes for one in found]),
        "geometry": torch.stack([one.geometry for one in found]),
        "scores": torch.stack([one.scores for one in found]),
        "tags": torch.stack([one.tags for one in found]).int(),
        "sizes": torch.tensor([one.photo_size for one in found], dtype=torch.int32),
    }
    keys = [key for key, _ in part]
    name = hashlib.sha256("".join(keys).encode()).hexdigest()[:NAME]  # no two hold the same pictures
    with replacing(folder / f"{name}.safetensors") as partial:
        save_file(
            tensors, partial, metadata={"format": FORMAT, "detector": detector_hash, "pictures": json.dumps(keys)}
        )


def _pictures_of(path: Path, detector_hash: str) -> list[str]:
    """Return the SHA-256 of the pictures whose regions a file holds, in order."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            said = file.metadata() or {}
            rows = file.get_slice("features").get_shape()[0]
        pictures: list[str] = json.loads(said.get("pictures", "[]"))
    except (SafetensorError, OSError, ValueError) as error:
        raise UserError(f"{path} is damaged ({str(error).splitlines()[0]}): {WAY_OUT}") from None
    if said.get("format") != FORMAT or len(pictures) != rows:
        raise UserError(f"{path} holds no regions as this version keeps them: {WAY_OUT}")
    if said.get("detector") != detector_hash:
        raise UserError(f"{path} holds the regions of another detector than this model's: {WAY_OUT}")
    return pictures


def _hashed(pictures: Iterable[Path], told: Told) -> dict[Path, str]:
    """Return the SHA-256 of pictures, each looked at once."""
    distinct = list(dict.fromkeys(pictures))
    found: dict[Path, str] = {}
    for number, picture in enumerate(distinct, start=1):
        told(number, len(distinct))
        found[picture] = photo_hash(picture)
    return found
