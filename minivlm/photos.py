"""Reading a photo file: whatever its format, an upright 8-bit RGB image or one line that says why not."""

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, UnidentifiedImageError

from minivlm.errors import UserError

# Formats that cameras, phones and the web produce. Pillow knows more; some of those run other programs (EPS).
FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP", "TIFF")

MAX_PIXELS = 10_000 * 10_000
MAX_SIDE = 65_535  # what JPEG can hold; resizing allocates tables as long as a side

EXIF_ORIENTATION = 0x0112
# EXIF 2.32, section 4.6.4 A: what undoes each value of the tag. 1 is upright.
TO_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def load_photo(path: str | Path) -> Image.Image:
    """Read a photo file.

    The content decides the format, not the file's name. Of an animation the first frame is read. EXIF orientation is
    applied; one that cannot be read counts as none. Transparency is laid over white. 16-bit grey levels are divided by
    257. Colour profiles are not applied: the networks were trained on photos read the same way.

    Args:
        path: A JPEG, PNG, WebP, AVIF, GIF, BMP or TIFF file of at most 10,000 x 10,000 pixels.

    Returns:
        An RGB image with 8 bits a channel and no metadata.

    Raises:
        UserError: The file is missing, unreadable, not a photo, damaged or too large.
    """
    path = Path(path)
    name = repr(str(path))  # keeps a name with a line break on one line
    try:
        if path.is_dir():
            raise UserError(f"{name} is a directory; give the path of one photo")
        if not path.exists():
            raise UserError(f"{name} does not exist; give the path of a photo")
        if not path.is_file():
            raise UserError(f"{name} is not a regular file; save the photo to a file and give its path")
        if path.stat().st_size == 0:
            raise UserError(f"{name} is empty, a photo has at least one pixel; save or download it again")
        with path.open("rb") as file, _silenced():
            return _upright_rgb(file, name)
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"{name} cannot be read ({reason}); give a photo that this account may read") from error


def default_photo() -> Path:
    """Return the path of the photo that scikit-learn ships, a 640 x 427 JPEG of a temple (china.jpg).

    Raises:
        UserError: scikit-learn is not installed.
    """
    package = find_spec("sklearn")  # finds without importing
    if package is None or package.origin is None:
        raise UserError("the default photo comes with scikit-learn, which is not installed; install it or name a photo")
    return Path(package.origin).parent / "datasets" / "images" / "china.jpg"


@contextmanager
def _silenced() -> Iterator[None]:
    """Keep Pillow's warnings, and log records that nobody asked for, off the terminal."""
    logger = logging.getLogger("PIL")
    handler = logging.NullHandler()  # without any handler, Python prints errors to stderr
    logger.addHandler(handler)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.removeHandler(handler)


@contextmanager
def _muted_stderr() -> Iterator[None]:
    """Send file descriptor 2 nowhere: libtiff writes its complaints straight to it, and Pillow cannot stop it."""
    try:
        terminal = os.dup(2)
    except OSError:  # the process has none, as under some launchers
        yield
        return
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)


def _upright_rgb(file: BinaryIO, name: str) -> Image.Image:
    try:
        with Image.open(file, formats=FORMATS) as image:
            _check_size(image, name)
            with _muted_stderr() if image.format == "TIFF" else nullcontext():
                image.load()
            photo = _rgb(image, name)
            turn = _turn(image)
    except UserError:
        raise
    except UnidentifiedImageError as error:
        formats = f"{', '.join(FORMATS[:-1])} or {FORMATS[-1]}"
        raise UserError(f"{name} is no readable {formats} file; convert it to JPEG or PNG") from error
    except Image.DecompressionBombError as error:
        raise UserError(f"{name} has too many pixels, {_size_rule()}; scale it down") from error
    except MemoryError as error:
        raise UserError(f"{name} does not fit into this machine's memory; scale it down") from error
    except Exception as error:  # damaged files make Pillow raise almost anything
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the disk's fault, not the file's
        raise UserError(f"{name} is damaged ({_first_line(error)}); save or download it again") from error
    photo = photo if turn is None else photo.transpose(turn)
    photo.info.clear()  # an orientation left in there could be applied twice
    return photo


def _check_size(image: Image.Image, name: str) -> None:
    width, height = image.size
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise UserError(f"{name} has {width} x {height} pixels, {_size_rule()}; scale it down")


def _size_rule() -> str:
    return f"at most {MAX_PIXELS:,} and {MAX_SIDE:,} a side are read"


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _turn(image: Image.Image) -> Image.Transpose | None:
    try:
        return TO_UPRIGHT.get(image.getexif().get(EXIF_ORIENTATION, 1))
    except Exception:  # metadata that cannot be parsed is no reason to refuse good pixels
        return None


def _rgb(image: Image.Image, name: str) -> Image.Image:
    if image.mode == "I" or image.mode.startswith("I;16"):
        return _eight_bit(image, name).convert("RGB")
    if image.mode == "F":
        raise UserError(f"{name} has floating-point grey levels, whose range is unknown; save it with 8 or 16 bits")
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        canvas = Image.new("RGB", image.size, "white")
        canvas.paste(layer, mask=layer)
        return canvas
    return image.convert("RGB")


def _eight_bit(image: Image.Image, name: str) -> Image.Image:
    """Scale 16-bit grey levels so that 65535 becomes 255, rounding to nearest."""
    levels = np.array(image)
    if levels.min() < 0 or levels.max() > 65_535:
        raise UserError(f"{name} has grey levels beyond 0..65535, whose range is unknown; save it with 8 or 16 bits")
    if "transparency" in image.info:
        levels[levels == image.info["transparency"]] = 65_535  # over white, as every transparency
    return Image.fromarray(((levels.astype(np.uint32) + 128) // 257).astype(np.uint8))
