"""How numbers are stored and computed in an artifact, and the photos that int8 is calibrated on."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageEnhance, ImageOps
from torch import Tensor

from export.methods import Method
from export.precision import Decision, Kind, Mode, Rule, deciding_rule
from minivlm.errors import UserError
from minivlm.files import files_in, is_folder, sha256
from minivlm.photos import default_photo, load_photo
from minivlm.preprocess import letterbox
from minivlm.vision.tee import TEEConfig

VIEWS = 6
"""Views that are taken of each photo."""


@dataclass(frozen=True)
class Calibration:
    """Inputs of a detector that activation ranges are measured on.

    Attributes:
        samples: (image, extent) each, see `TEE.forward`.
        photos: Names of the photo files used.
        skipped: Files of the folder that are no readable photos.
        sha256: Over the files used, in order.
    """

    samples: list[tuple[Tensor, Tensor]]
    photos: tuple[str, ...]
    skipped: tuple[str, ...]
    sha256: str


@dataclass(frozen=True)
class Recipe:
    """Precision of an artifact.

    Attributes:
        precision: "fp32", "fp16" or "int8".
        rules: Which layers are stored and computed in what, first match wins.
        calibration: For a detector in int8, else None.
    """

    precision: str
    rules: tuple[Rule, ...] = ()
    calibration: Calibration | None = None

    def mode_of(self, module: str, kind: Kind) -> Mode:
        """Return how a layer's numbers are kept, by its module's dotted name within whatever wraps it."""
        return deciding_rule(self.rules, module, kind).mode

    def decide(self, layers: Iterable[tuple[str, Kind]]) -> list[Decision]:
        """Return what is decided about layers with weights, by name and kind."""
        return [Decision(name, kind, deciding_rule(self.rules, name, kind)) for name, kind in layers]

    def samples(self, method: Method) -> list[tuple[Tensor, ...]]:
        """Return the inputs to calibrate a method on: photos for a detector, else the method's example."""
        if method.detector and self.calibration is not None:
            return list(self.calibration.samples)
        return [method.example]


def calibration_set(folder: Path | None, count: int, config: TEEConfig, size: tuple[int, int]) -> Calibration:
    """Prepare photos: as they are, mirrored, and in crops of other brightness, so that few photos cover many levels.

    Args:
        folder: Of photos; None takes the one that scikit-learn ships beside the default photo, which stays held out
            for the proof.
        count: Samples to make.
        config: Of the detector.
        size: (height, width) of its input in pixels.

    Raises:
        UserError: No folder, no readable photo in it, or too few for `count`.
    """
    files = [default_photo().with_name("flower.jpg")] if folder is None else _files(folder)
    photos, skipped = [], []
    for path in files:
        try:
            photos.append((path, load_photo(path)))
        except UserError:
            skipped.append(path.name)
    if not photos:
        raise UserError(f"{folder} holds no readable photo ({len(skipped)} files were tried): calibration needs some")
    if count > len(photos) * VIEWS:
        raise UserError(
            f"--num-calibration-samples {count}: {len(photos)} photos give at most {len(photos) * VIEWS}; "
            "add photos or ask for fewer"
        )
    # Every photo once before any is used again.
    views = [view(photo) for view in _VIEWS for _, photo in photos][:count]
    used = [path for path, _ in photos][:count]
    fitted = [letterbox(view, size, config.pixels) for view in views]
    return Calibration(
        [(item.image, item.extent) for item in fitted],
        tuple(path.name for path in used),
        tuple(skipped),
        hashlib.sha256("".join(sha256(path) for path in used).encode()).hexdigest(),
    )


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


_VIEWS = (
    lambda photo: photo,
    ImageOps.mirror,
    lambda photo: _crop(photo, 0.0, 0.0),
    lambda photo: _brighter(_crop(photo, 1.0, 1.0), 0.6),
    lambda photo: _brighter(photo, 1.4),
    lambda photo: _crop(ImageOps.mirror(photo), 0.5, 0.5),
)
