"""The photos that int8 is calibrated on: each one once, one at a time in memory, and never the verification's."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps
from torch import Tensor

from minivlm.errors import UserError
from minivlm.images.photos import PhotoError, default_photo, load_photo
from minivlm.images.preprocess import letterbox
from minivlm.storage.files import files_in, is_folder, sha256
from minivlm.vision.tee_config import TEEConfig

VIEWS = 6
"""Views that are taken of each photo."""
PROGRESS = 10
"""Photos after which it is said how many were read."""
THUMBNAIL = 32
"""Side in pixels of what photos are compared by."""
ALIKE = 3.0
"""Mean difference of thumbnails, of 255 levels, below which two files hold one photo: another JPEG quality or size
makes 1 or less, another photo tens."""

Sample = tuple[Tensor, Tensor]
"""(image, extent), see `TEE.forward`."""


@dataclass(frozen=True)
class Calibration:
    """Inputs of a detector that activation ranges are measured on.

    Attributes:
        samples: Every photo once before any is used again, in another view.
        photos: Names of the photo files used.
        skipped: Files that were tried and are no readable photos.
        sha256: Over the files used, in order.
        held_out: Files that hold the verification's photo.
        copies: Files that hold the same pixels as one before.
    """

    samples: list[Sample]
    photos: tuple[str, ...]
    skipped: tuple[str, ...]
    sha256: str
    held_out: tuple[str, ...] = ()
    copies: tuple[str, ...] = ()


@dataclass(frozen=True)
class Look:
    """What is kept of a photo once it is out of memory again."""

    content: str
    thumbnail: NDArray[np.int16]
    sample: Sample


def calibration_set(
    folder: Path | None,
    count: int,
    config: TEEConfig,
    size: tuple[int, int],
    held_out: Path | None = None,
    say: Callable[[str], None] | None = None,
) -> Calibration:
    """Prepare photos: as they are, mirrored, and in crops of other brightness, so that few photos cover many levels.

    No more files are read than are needed. What shows the held-out photo is left out, by whatever name, and also where
    it was scaled, turned, mirrored or encoded anew; a part of it cannot be told.

    Args:
        folder: Of photos; None takes one of the two that scikit-learn ships, the other than the held-out one.
        count: Samples to make.
        config: Of the detector.
        size: (height, width) of its input in pixels.
        held_out: The photo that the artifact will be proven on; None is `default_photo`.
        say: Told now and then how far it is.

    Raises:
        UserError: No folder, no photo in it that can be read and is not the held-out one, or too few for `count`.
    """

    def look(path: Path) -> Look:
        photo = load_photo(path)
        return Look(_content(photo), thumbnail(photo), _view(photo, 0, config, size))

    proven = thumbnail(load_photo(held_out or default_photo()))
    found: dict[str, Path] = {}
    samples: list[Sample] = []
    left: dict[str, list[str]] = {"skipped": [], "held_out": [], "copies": []}
    for path in _default_files(proven) if folder is None else _files(folder):
        if len(found) == count:
            break
        try:
            seen = look(path)
        except PhotoError:
            left["skipped"].append(path.name)
            continue
        if alike(seen.thumbnail, proven):
            left["held_out"].append(path.name)
        elif seen.content in found:
            left["copies"].append(path.name)
        else:
            found[seen.content] = path
            samples.append(seen.sample)
            if say is not None and len(found) % PROGRESS == 0:
                say(f"  {len(found)} photos read for calibration")
    photos = list(found.values())
    _check_enough(folder, count, photos, left)
    return Calibration(
        [*samples, *_more_views(photos, count, config, size)],
        tuple(path.name for path in photos),
        tuple(left["skipped"]),
        hashlib.sha256("".join(sha256(path) for path in photos).encode()).hexdigest(),
        held_out=tuple(left["held_out"]),
        copies=tuple(left["copies"]),
    )


def photo_to_spare(folder: Path | None, count: int) -> Path | None:
    """Return the last photo of a folder that holds more than calibration takes, to be verified on.

    A trained model is verified on what it knows: about another kind of pictures it is as unsure as its artifact.

    Args:
        folder: Of photos; None and what is no folder has none to spare.
        count: Samples that calibration makes, each of another photo as long as there are some.
    """
    if folder is None or not is_folder(folder):
        return None
    for path in reversed(_files(folder)[count:]):
        try:
            load_photo(path)
        except PhotoError:
            continue
        return path
    return None


def thumbnail(photo: Image.Image) -> NDArray[np.int16]:
    """Return a photo's (32, 32, 3) average colours, in 0..255."""
    small = photo.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)
    return np.asarray(small, dtype=np.int16)


def alike(first: NDArray[np.int16], second: NDArray[np.int16]) -> bool:
    """Tell whether two thumbnails show one photo, turned or mirrored or not."""
    turned = [np.rot90(side, quarters) for side in (first, first[:, ::-1]) for quarters in range(4)]
    return any(float(np.abs(one - second).mean()) < ALIKE for one in turned)


def _content(photo: Image.Image) -> str:
    return hashlib.sha256(f"{photo.size}".encode() + photo.tobytes()).hexdigest()


def _view(photo: Image.Image, number: int, config: TEEConfig, size: tuple[int, int]) -> Sample:
    fitted = letterbox(_VIEWS[number](photo), size, config.pixels)
    return fitted.image, fitted.extent


def _more_views(photos: list[Path], count: int, config: TEEConfig, size: tuple[int, int]) -> list[Sample]:
    """Return further views of photos until there are `count` samples; the first view of each is there already."""
    made: dict[int, Sample] = {}
    for row, path in enumerate(photos):
        places = {view: view * len(photos) + row for view in range(1, VIEWS)}
        if places[1] < count:
            photo = load_photo(path)
            made.update({place: _view(photo, view, config, size) for view, place in places.items() if place < count})
            del photo  # before the next one is read
    return [made[place] for place in sorted(made)]


def _check_enough(folder: Path | None, count: int, photos: list[Path], left: dict[str, list[str]]) -> None:
    skipped, held_out, copies = left["skipped"], left["held_out"], left["copies"]
    if not photos and held_out:
        raise UserError(
            f"{folder} holds no photo but the verification's ({', '.join(held_out)}), which nothing may be made with: "
            "add others, or name another for the verification with --photo"
        )
    if not photos:
        raise UserError(f"{folder} holds no readable photo ({len(skipped)} files were tried): calibration needs some")
    if count > len(photos) * VIEWS:
        kinds = (("unreadable", skipped), ("the verification's", held_out), ("copies", copies))
        others = "".join(f", {len(names)} {kind}" for kind, names in kinds if names)
        raise UserError(
            f"--num-calibration-samples {count}: {len(photos)} photos give at most {len(photos) * VIEWS}{others}; "
            "add photos or ask for fewer"
        )


def _default_files(proven: NDArray[np.int16]) -> list[Path]:
    """Return the first of scikit-learn's photos that the verification does not use."""
    ours = (default_photo().with_name("flower.jpg"), default_photo())
    return [path for path in ours if not alike(thumbnail(load_photo(path)), proven)][:1]


def _files(folder: Path) -> list[Path]:
    if not is_folder(folder):
        raise UserError(f"--calibration {folder} is not a folder: give one that holds photos")
    files = [path for path in files_in(folder) if path.parent == folder and not path.name.startswith(".")]
    if not files:
        raise UserError(f"--calibration {folder} is empty: put photos into it")
    return files


def _crop(photo: Image.Image, left: float, top: float) -> Image.Image:
    """Return a window of two thirds of the photo's sides."""
    width, height = (max(1, 2 * side // 3) for side in photo.size)
    x, y = int(left * (photo.width - width)), int(top * (photo.height - height))
    return photo.crop((x, y, x + width, y + height))


def _brighter(photo: Image.Image, factor: float) -> Image.Image:
    return ImageEnhance.Brightness(photo).enhance(factor)


_VIEWS: tuple[Callable[[Image.Image], Image.Image], ...] = (
    lambda photo: photo,
    ImageOps.mirror,
    lambda photo: _crop(photo, 0.0, 0.0),
    lambda photo: _brighter(_crop(photo, 1.0, 1.0), 0.6),
    lambda photo: _brighter(photo, 1.4),
    lambda photo: _crop(ImageOps.mirror(photo), 0.5, 0.5),
)
