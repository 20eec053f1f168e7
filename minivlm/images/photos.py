"""Reading a photo file: whatever its format, an upright 8-bit RGB image or one line that says why not."""

import errno
import io
import logging
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageFile, UnidentifiedImageError

from minivlm.errors import UserError
from minivlm.images import tiff_tones
from minivlm.images.png_chunks import pixels_only
from minivlm.storage.shards import member_of, read_member

# Formats that cameras, phones and the web produce. Pillow knows more; some of those run other programs (EPS).
FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP", "TIFF")

MAX_PIXELS = 10_000 * 10_000
MAX_SIDE = 65_535  # what JPEG can hold; resizing allocates tables as long as a side

LONGEST_NAME = 200
"""Characters of a path in a message."""
DISK_FAULTS = (errno.EIO, errno.EACCES, errno.EPERM, errno.ENOMEM, errno.ESTALE, errno.ENXIO, errno.ETIMEDOUT)
"""What the system says when it cannot read on; anything else is in the file."""
WAYS_OUT: Mapping[int, str] = MappingProxyType(
    {
        errno.EACCES: "give a photo that this account may read",
        errno.EPERM: "give a photo that this account may read",
        errno.ENAMETOOLONG: "give the path of a photo",
        errno.ENOMEM: "free memory and try again",
    }
)
NOT_READ = ("nsupported", "not supported", "unknown raw mode")
"""In what Pillow says of good files that it does not know."""
SAVE_AS_PLAIN = "save it as PNG, or as TIFF with 8-bit RGB"
GREY_STEPS: Mapping[str, int] = MappingProxyType({"L": 1, "L;2": 85, "L;4": 17})
"""Pillow's name of a PNG's grey levels as stored -> what one of them is worth of 255."""

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


class PhotoError(UserError):
    """What is wrong with one photo, and with nothing else: whoever reads many may go on with the next."""


def load_photo(path: str | Path) -> Image.Image:
    """Read a photo file.

    The content decides the format, not the file's name. Of an animation the first frame is read. EXIF orientation is
    applied; one that cannot be read counts as none. Transparency is laid over white. 16-bit grey levels are divided by
    257. Colour profiles are not applied: the networks were trained on photos read the same way.

    Args:
        path: A JPEG, PNG, WebP, AVIF, GIF, BMP or TIFF file of at most 10,000 x 10,000 pixels; SHARD.tar/MEMBER is one
            in a tar file.

    Returns:
        An RGB image with 8 bits a channel and no metadata.

    Raises:
        PhotoError: The file is missing, unreadable, not a photo, damaged or too large.
    """
    path = Path(path)
    name = _shown(path)
    try:
        held = member_of(path)
        if held is not None:
            return _from_shard(read_member(*held), name)
        if path.is_dir():
            raise PhotoError(f"{name} is a directory; give the path of one photo")
        if not path.exists():
            raise PhotoError(f"{name} does not exist; give the path of a photo")
        if not path.is_file():
            raise PhotoError(f"{name} is not a regular file; save the photo to a file and give its path")
        if path.stat().st_size == 0:
            raise PhotoError(f"{name} is empty, a photo has at least one pixel; save or download it again")
        with path.open("rb") as file, _silenced():
            return _upright_rgb(file, name)
    except OSError as error:
        reason = error.strerror or error
        way_out = WAYS_OUT.get(error.errno or 0, "copy it to another disk and give that path")
        raise PhotoError(f"{name} cannot be read ({reason}); {way_out}") from error


def _from_shard(content: bytes | None, name: str) -> Image.Image:
    if content is None:
        raise PhotoError(f"{name} is not in that tar file; give the path of a photo")
    if not content:
        raise PhotoError(f"{name} is empty, a photo has at least one pixel; save or download it again")
    with _silenced():
        return _upright_rgb(io.BytesIO(content), name)


def _shown(path: Path) -> str:
    """Return a path in quotes and on one line; a text in place of a path may be long."""
    name = repr(str(path))
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME // 2]}...{name[-LONGEST_NAME // 2 :]}"


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
        with Image.open(pixels_only(file), formats=FORMATS) as image:
            _check_size(image, name)
            if image.format == "TIFF":
                _check_tones(image, name)
            if image.format == "PNG":
                _correct_key(image, name)
            with _muted_stderr() if image.format == "TIFF" else nullcontext():
                image.load()
            photo = _rgb(image, name)
            turn = _turn(image)
    except PhotoError:
        raise
    except UnidentifiedImageError as error:
        raise PhotoError(_unidentified(file, name)) from error
    except Image.DecompressionBombError as error:
        raise PhotoError(f"{name} has too many pixels, {_size_rule()}; scale it down") from error
    except MemoryError as error:
        raise PhotoError(f"{name} does not fit into this machine's memory; scale it down") from error
    except Exception as error:  # damaged files make Pillow raise almost anything
        if isinstance(error, OSError) and error.errno in DISK_FAULTS:
            raise
        reason = _first_line(error)
        if any(words in reason for words in NOT_READ):
            raise PhotoError(f"{name} is of a kind that is not read ({reason}); save it as PNG or JPEG") from error
        raise PhotoError(f"{name} is damaged ({reason}); save or download it again") from error
    photo = photo if turn is None else photo.transpose(turn)
    photo.info.clear()  # an orientation left in there could be applied twice
    return photo


def _check_tones(image: Image.Image, name: str) -> None:
    reason = tiff_tones.misread(image)
    if reason is not None:
        raise PhotoError(f"{name} is a TIFF with {reason}, which is not read; {SAVE_AS_PLAIN}")


def _unidentified(file: BinaryIO, name: str) -> str:
    kind = tiff_tones.described(file)
    if kind is not None:
        return f"{name} is a TIFF that is not read, {kind}; {SAVE_AS_PLAIN}"
    formats = f"{', '.join(FORMATS[:-1])} or {FORMATS[-1]}"
    return f"{name} is no readable {formats} file; convert it to JPEG or PNG"


def _check_size(image: Image.Image, name: str) -> None:
    width, height = image.size
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise PhotoError(f"{name} has {width} x {height} pixels, {_size_rule()}; scale it down")


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
        raise PhotoError(f"{name} has floating-point grey levels, whose range is unknown; save it with 8 or 16 bits")
    if image.format == "TIFF" and image.mode in ("P", "PA") and (palette := tiff_tones.eight_bit_palette(image)):
        image.putpalette(palette)
    if not image.has_transparency_data or _is_unused_alpha(image):
        return image.convert("RGB")
    layer = (image.convert("LA") if image.mode == "La" else image).convert("RGBA")
    canvas = Image.new("RGB", image.size, "white")
    canvas.paste(layer, mask=layer)
    return canvas


def _is_unused_alpha(image: Image.Image) -> bool:
    """Tell whether nothing would show of a photo whose fourth channel nobody filled, and which viewers ignore then."""
    vague = image.format == "BMP" or (image.format == "TIFF" and not tiff_tones.names_alpha(image))
    return vague and image.mode == "RGBA" and image.getchannel("A").getbbox() is None


def _correct_key(image: Image.Image, name: str) -> None:
    """Bring the transparent colour of a PNG to the levels that its pixels will have; the file has others.

    Args:
        image: Opened, and not loaded yet.
        name: For the message.
    """
    key = image.info.get("transparency")
    stored = image.tile[0].args if isinstance(image, ImageFile.ImageFile) and image.tile else ""
    if isinstance(key, tuple) and stored == "RGB;16B":
        raise PhotoError(f"{name} has a transparent 16-bit colour, which is not read; save it with an alpha channel")
    if isinstance(key, int) and isinstance(stored, str) and stored in GREY_STEPS:
        image.info["transparency"] = key * GREY_STEPS[stored] & 255


def _eight_bit(image: Image.Image, name: str) -> Image.Image:
    """Scale grey levels of more than 8 bits so that white becomes 255, rounding to nearest."""
    white, inverted = 65_535, False
    if image.format == "TIFF":
        white, inverted = tiff_tones.white_level(image), tiff_tones.white_is_zero(image)
    levels = np.array(image)
    if white > 2**31:  # Pillow has no unsigned numbers of 32 bits
        levels = levels.view(np.uint32)
    if levels.min() < 0 or levels.max() > white:
        raise PhotoError(f"{name} has grey levels beyond 0..{white}, whose range is unknown; save it with 8 or 16 bits")
    if "transparency" in image.info:
        levels[levels == image.info["transparency"]] = white  # over white, as every transparency
    scaled = (levels.astype(np.uint64 if white > 65_535 else np.uint32) * 255 + white // 2) // white
    return Image.fromarray((255 - scaled if inverted else scaled).astype(np.uint8))
