"""Keeping the regions of photos on disk, so that many texts about a photo run the detector once.

An entry is one safetensors file. Its name holds the SHA-256 of the photo's file and the start of the detector's hash;
its metadata repeats both in full and adds a hash of the content. An entry of which anything does not fit is computed
again and replaced, never used.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import torch
from torch import Tensor

from minivlm.errors import UserError
from minivlm.images.photos import PhotoError, load_photo
from minivlm.inference.detector import DetectorConfig
from minivlm.inference.photo_regions import PhotoRegions
from minivlm.storage.files import exists, is_folder, replacing, sha256
from minivlm.storage.shards import member_of, read_member
from minivlm.vision.regions import GEOMETRY

FORMAT = "2"
"""Changes when photos are prepared, or entries laid out, in another way."""
TENSORS = ("boxes", "scores", "tags", "features", "geometry")
ATTRIBUTES = ("attributes", "attribute_scores")
"""Tensors of a detector with an attribute head; artifacts of earlier versions give none, so they may be missing."""


class StaleEntryError(Exception):
    """An entry is not what its name says; the message says why."""


class FeatureStore:
    """A folder of entries, shared by any number of photos and detectors.

    Args:
        folder: Made when the first entry is written.
        config: Of the detector; says which shapes an entry must have.
        detector_hash: See `Backend.detector_hash`.
        note: Called with one line when an entry is replaced.

    Raises:
        UserError: `folder` is a file.
    """

    def __init__(self, folder: Path, config: DetectorConfig, detector_hash: str, note: Callable[[str], None]) -> None:
        if exists(folder) and not is_folder(folder):
            raise UserError(f"--features {folder} is a file: name a folder, which may be new")
        self._folder = folder
        self._config = config
        self._detector_hash = detector_hash
        self._note = note

    def get(self, photo: Path, compute: Callable[[], PhotoRegions]) -> PhotoRegions:
        """Return a photo's regions.

        Args:
            photo: File whose bytes are the key.
            compute: Called where there is no entry that can be used.

        Raises:
            UserError: The photo cannot be read, or the entry cannot be written.
        """
        key = photo_hash(photo)
        path = self.entry(key)
        if exists(path):
            try:
                return self._read(path, key)
            except StaleEntryError as reason:
                self._note(f"kept features of {photo.name} are not usable ({reason}): computed again")
        regions = compute()
        self._write(path, key, regions)
        return regions

    def entry(self, photo_hash: str) -> Path:
        """Return where the entry of a photo with this SHA-256 lies."""
        return self._folder / f"{photo_hash}-{self._detector_hash[:16]}.safetensors"

    def _metadata(self, photo_hash: str, regions: PhotoRegions) -> dict[str, str]:
        return {
            "format": FORMAT,
            "photo": photo_hash,
            "detector": self._detector_hash,
            "photo_size": json.dumps(regions.photo_size),
            "content": _content_hash(regions),
        }

    def _write(self, path: Path, photo_hash: str, regions: PhotoRegions) -> None:
        from safetensors.torch import save_file

        with replacing(path) as partial:
            save_file(_tensors(regions), partial, metadata=self._metadata(photo_hash, regions))

    def _read(self, path: Path, photo_hash: str) -> PhotoRegions:
        tensors, metadata = _open(path)
        self._check_shapes(tensors)
        try:
            height, width = (int(side) for side in json.loads(metadata["photo_size"]))
        except (KeyError, ValueError, TypeError):
            raise StaleEntryError("it does not know the photo's size") from None
        regions = PhotoRegions(photo_size=(height, width), **tensors)
        if metadata != self._metadata(photo_hash, regions):
            raise StaleEntryError("its hashes or its version differ")
        return regions

    def _check_shapes(self, tensors: Mapping[str, Tensor]) -> None:
        if sorted(tensors) not in (sorted(TENSORS), sorted(TENSORS + ATTRIBUTES)):
            raise StaleEntryError(f"it holds {', '.join(sorted(tensors)) or 'nothing'}")
        rows = tensors["scores"].numel()
        shapes = {
            "boxes": (rows, 4),
            "scores": (rows,),
            "tags": (rows,),
            "features": (rows, self._config.feature_dim),
            "geometry": (rows, GEOMETRY),
            "attributes": (rows,),
            "attribute_scores": (rows,),
        }
        for name, tensor in tensors.items():
            dtype = torch.int64 if name in ("tags", "attributes") else torch.float32
            if tuple(tensor.shape) != shapes[name] or tensor.dtype != dtype:
                raise StaleEntryError(f"{name} is {tuple(tensor.shape)} {tensor.dtype}, not {shapes[name]} {dtype}")
        for name, most in (("tags", self._config.classes - 1), ("attributes", self._config.attributes)):
            ids = tensors.get(name)
            if rows and ids is not None and not 0 <= int(ids.min()) <= int(ids.max()) < most:
                raise StaleEntryError(f"one of its {name} is none of the detector's")


def _open(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise StaleEntryError(f"it is damaged: {str(error).splitlines()[0]}") from None


def photo_hash(photo: Path) -> str:
    """Return the SHA-256 of a photo's file, in hexadecimal; in a shard or by itself, it is the same.

    Raises:
        PhotoError: It cannot be read.
    """
    with suppress(OSError):
        held = member_of(photo)
        content = None if held is None else read_member(*held)
        if content is not None:
            return hashlib.sha256(content).hexdigest()
        if photo.is_file():
            return sha256(photo)
    load_photo(photo)  # says why it cannot be read
    raise PhotoError(f"{str(photo)!r} changed while it was read; try again")


def _tensors(regions: PhotoRegions) -> dict[str, Tensor]:
    return {name: tensor.contiguous() for name, tensor in regions.present.items()}


def _content_hash(regions: PhotoRegions) -> str:
    digest = hashlib.sha256(json.dumps(regions.photo_size).encode())
    for tensor in _tensors(regions).values():
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
