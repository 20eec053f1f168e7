"""What the numbers in a TIFF mean (TIFF 6.0): which kinds Pillow reads as written, and which it would misread."""

from typing import BinaryIO

from PIL import Image, TiffImagePlugin

BITS = 258
COMPRESSION = 259
PHOTOMETRIC = 262
PLANAR = 284
COLOUR_MAP = 320
INK_SET = 332
EXTRA_SAMPLES = 338
SAMPLE_FORMAT = 339
YCBCR_SUBSAMPLING = 530
YCBCR_COEFFICIENTS = 529
REFERENCE_BLACK_WHITE = 532

UNSIGNED, SIGNED = 1, 2
UNCOMPRESSED = 1
PREMULTIPLIED = 1
PLANAR_MODES = ("RGB", "RGBA", "CMYK")
PHOTOMETRICS = {
    0: "WhiteIsZero",
    1: "BlackIsZero",
    2: "RGB",
    3: "palette",
    4: "mask",
    5: "CMYK",
    6: "YCbCr",
    8: "CIELab",
    9: "ICCLab",
    10: "ITULab",
    32803: "colour filter array",
    32844: "LogL",
    32845: "LogLuv",
    34892: "linear raw",
}
LUMA_BT_601 = (0.299, 0.587, 0.114)
FULL_RANGE = (0.0, 255.0, 128.0, 255.0, 128.0, 255.0)
WIDEST = 65_535
"""White of signed 32-bit numbers, for which TIFF names none."""


def misread(image: Image.Image) -> str | None:
    """Return what of an opened TIFF Pillow would read as something else; None where it reads what is written."""
    tags = _tags(image)
    photometric = tags.get(PHOTOMETRIC)
    bits = _numbers(tags.get(BITS, 1))
    if photometric is None:
        return "no photometric interpretation, so that black and white could be either way"
    if SIGNED in _numbers(tags.get(SAMPLE_FORMAT, UNSIGNED)) and max(bits) < 32:
        return "signed samples, whose black and white are unknown"
    if tags.get(PLANAR, 1) == 2 and len(bits) > 1 and (max(bits) > 8 or image.mode not in PLANAR_MODES):
        return f"{max(bits)}-bit {image.mode} in planes"
    if tags.get(PLANAR, 1) == 2 and PREMULTIPLIED in _numbers(tags.get(EXTRA_SAMPLES, 0)):
        return "premultiplied colours in planes"
    if photometric == 5 and tags.get(INK_SET, 1) != 1:
        return "inks other than CMYK"
    if photometric == 6 and tags.get(COMPRESSION, UNCOMPRESSED) == UNCOMPRESSED and not _plain_ycbcr(tags):
        return "YCbCr colours that are subsampled or of another range or weighting"
    return None


def white_is_zero(image: Image.Image) -> bool:
    """Tell whether Pillow left 0 as white, which it undoes only up to 8 bits."""
    return _tags(image).get(PHOTOMETRIC) == 0 and image.mode.startswith("I")


def white_level(image: Image.Image) -> int:
    """Return the number that is as bright as can be in an image with one channel of more than 8 bits."""
    tags = _tags(image)
    (bits,) = _numbers(tags.get(BITS, 16))
    if bits == 32 and _numbers(tags.get(SAMPLE_FORMAT, UNSIGNED)) == (SIGNED,):
        return WIDEST
    return 2**bits - 1


def names_alpha(image: Image.Image) -> bool:
    """Tell whether a TIFF says what samples beyond its colours are."""
    return EXTRA_SAMPLES in _tags(image)


def eight_bit_palette(image: Image.Image) -> bytes | None:
    """Return the palette of a TIFF whose colour map has levels up to 255 instead of 65535, as many writers leave it."""
    levels = _numbers(_tags(image).get(COLOUR_MAP, ()))
    if not levels or max(levels) > 255:
        return None
    count = len(levels) // 3
    return bytes(levels[channel * count + entry] for entry in range(count) for channel in range(3))


def described(file: BinaryIO) -> str | None:
    """Say which kind of TIFF a file is that Pillow does not open; None where its tags cannot be read."""
    try:
        file.seek(0)
        directory = TiffImagePlugin.ImageFileDirectory_v2(file.read(8))
        file.seek(directory.next)
        directory.load(file)
        bits = _numbers(directory.get(BITS, 1))
        formats = _numbers(directory.get(SAMPLE_FORMAT, UNSIGNED))
        photometric = directory[PHOTOMETRIC]
    except Exception:  # damaged files make Pillow raise almost anything
        return None
    numbers = {1: "", 2: "signed ", 3: "floating-point "}.get(formats[0], "unknown ")
    kind = PHOTOMETRICS.get(photometric, f"photometric interpretation {photometric}")
    order = "big-endian" if directory.prefix == b"MM" else "little-endian"
    return f"{kind} of {len(bits)} {numbers}samples with {', '.join(map(str, sorted(set(bits))))} bits, {order}"


def _plain_ycbcr(tags: TiffImagePlugin.ImageFileDirectory_v2) -> bool:
    """Tell whether Pillow's conversion, JPEG's, is what the tags ask for; their defaults are TIFF's."""
    weights = _numbers(tags.get(YCBCR_COEFFICIENTS, LUMA_BT_601))
    scaled = _numbers(tags.get(REFERENCE_BLACK_WHITE, FULL_RANGE))
    close = all(abs(float(a) - b) < 1e-3 for a, b in zip((*weights, *scaled), (*LUMA_BT_601, *FULL_RANGE), strict=True))
    return close and _numbers(tags.get(YCBCR_SUBSAMPLING, (2, 2))) == (1, 1)


def _tags(image: Image.Image) -> TiffImagePlugin.ImageFileDirectory_v2:
    assert isinstance(image, TiffImagePlugin.TiffImageFile)
    return image.tag_v2


def _numbers(value: object) -> tuple:  # type: ignore[type-arg]  # whole numbers or fractions, as the tag has them
    return value if isinstance(value, tuple) else (value,)
