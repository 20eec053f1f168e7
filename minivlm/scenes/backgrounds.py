"""What is behind the objects: gradients, noise, patterns, clutter of shapes that are no class, and blurred photos.

Only whole numbers and Pillow's own fixed-point operations are used, so that every machine makes the same pixels.
"""

from functools import cache
from pathlib import Path

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageDraw, ImageFilter

from minivlm.images.photos import default_photo, load_photo

KINDS = ("plain", "gradient", "noise", "pattern", "clutter", "photo")

Colour = tuple[int, int, int]


def background(rng: Generator, side: int) -> Image.Image:
    """Return a background, RGB.

    Args:
        rng: Decides all of it.
        side: Pixels.
    """
    kind = KINDS[int(rng.integers(len(KINDS)))]
    made = {
        "plain": _plain,
        "gradient": _gradient,
        "noise": _noise,
        "pattern": _pattern,
        "clutter": _clutter,
        "photo": _photo,
    }[kind](rng, side)
    return _grained(rng, made) if rng.integers(3) == 0 else made


def any_colour(rng: Generator) -> Colour:
    """Return a colour, bright and pale ones more often than pure chance would."""
    levels = [int(level) for level in rng.integers(0, 256, 3)]
    if rng.integers(2):
        levels = [128 + level // 2 for level in levels]
    return levels[0], levels[1], levels[2]


def _plain(rng: Generator, side: int) -> Image.Image:
    return Image.new("RGB", (side, side), any_colour(rng))


def _gradient(rng: Generator, side: int) -> Image.Image:
    """Four corners' colours, blended between."""
    corners = Image.new("RGB", (2, 2))
    corners.putdata([any_colour(rng) for _ in range(4)])
    # The outer quarter of an enlarged 2 x 2 picture is flat: only what is between the pixels' centres is wanted.
    return corners.resize((side, side), Image.Resampling.BILINEAR, box=(0.5, 0.5, 1.5, 1.5))


def _noise(rng: Generator, side: int) -> Image.Image:
    """Soft noise of one to three scales around two colours."""
    first, second = (Image.new("RGB", (side, side), any_colour(rng)) for _ in range(2))
    mask = Image.new("L", (side, side), 128)
    for _ in range(int(rng.integers(1, 4))):
        cells = int(rng.integers(3, 48))
        levels = rng.integers(0, 256, (cells, cells), dtype=np.uint8)
        layer = Image.fromarray(levels).resize((side, side), Image.Resampling.BICUBIC)
        mask = Image.blend(mask, layer, 0.5)
    return Image.composite(first, second, mask)


def _pattern(rng: Generator, side: int) -> Image.Image:
    """Stripes, checks or dots of two colours."""
    tile = int(rng.integers(8, 48))
    cell = Image.new("RGB", (tile, tile), any_colour(rng))
    draw, colour, half = ImageDraw.Draw(cell), any_colour(rng), tile // 2
    match int(rng.integers(4)):
        case 0:
            draw.rectangle((0, 0, half, tile), fill=colour)
        case 1:
            draw.rectangle((0, 0, tile, half), fill=colour)
        case 2:
            draw.rectangle((0, 0, half - 1, half - 1), fill=colour)
            draw.rectangle((half, half, tile, tile), fill=colour)
        case _:
            draw.ellipse((tile // 4, tile // 4, tile * 3 // 4, tile * 3 // 4), fill=colour)
    made = Image.new("RGB", (side, side))
    for top in range(0, side, tile):
        for left in range(0, side, tile):
            made.paste(cell, (left, top))
    return made.filter(ImageFilter.BoxBlur(1)) if rng.integers(2) else made


def _clutter(rng: Generator, side: int) -> Image.Image:
    """Shapes that are no class, on another background: a model must not take everything for an object."""
    made = (_plain, _gradient, _noise)[int(rng.integers(3))](rng, side)
    draw = ImageDraw.Draw(made)
    for _ in range(int(rng.integers(6, 24))):
        left, top = (int(place) for place in rng.integers(-side // 8, side, 2))
        width, height = (int(length) for length in rng.integers(max(2, side // 20), max(3, side // 3), 2))
        box = (left, top, left + width, top + height)
        thick = max(1, int(rng.integers(1, 2 + side // 40)))
        match int(rng.integers(6)):
            case 0:
                draw.rectangle(box, fill=any_colour(rng))
            case 1:
                draw.rectangle(box, outline=any_colour(rng), width=thick)
            case 2:
                draw.ellipse(box, fill=any_colour(rng))
            case 3:
                draw.arc(box, int(rng.integers(360)), int(rng.integers(360, 720)), any_colour(rng), thick)
            case 4:
                draw.line(box, fill=any_colour(rng), width=thick)
            case _:
                corners = [(left + int(x), top + int(y)) for x, y in rng.integers(0, side // 4, (3, 2))]
                draw.polygon(corners, fill=any_colour(rng))
    return made


def _photo(rng: Generator, side: int) -> Image.Image:
    """A part of a photo, blurred until only its light and colours are left."""
    photos = _photos()
    photo = photos[int(rng.integers(len(photos)))]
    taken = int(rng.integers(120, min(photo.size)))
    left = int(rng.integers(photo.width - taken + 1))
    top = int(rng.integers(photo.height - taken + 1))
    part = photo.resize((side, side), Image.Resampling.BILINEAR, box=(left, top, left + taken, top + taken))
    if rng.integers(2):
        part = part.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    radius = max(1, int(rng.integers(2, 7)) * side // 256)
    return part.filter(ImageFilter.BoxBlur(radius)).filter(ImageFilter.BoxBlur(radius))


@cache
def _photos() -> tuple[Image.Image, ...]:
    """Return the photos that scikit-learn comes with: a temple and a flower."""
    temple = Path(default_photo())
    return load_photo(temple), load_photo(temple.with_name("flower.jpg"))


def _grained(rng: Generator, image: Image.Image) -> Image.Image:
    """Add a sensor's grain."""
    grain = rng.integers(-12, 13, (image.height, image.width, 1), dtype=np.int16)
    return Image.fromarray(np.clip(np.asarray(image).astype(np.int16) + grain, 0, 255).astype(np.uint8))
