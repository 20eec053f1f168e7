"""Drawing regions over their photo."""

import colorsys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageFont

from minivlm.errors import UserError, printable
from minivlm.storage.files import is_folder, replacing

FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
SMALLEST = 640
"""Photos with a shorter long side are enlarged to it, so that labels fit."""
FONT_SHARE = 1 / 45
"""Height of a label's text over the photo's longer side,"""
SMALLEST_FONT = 12
"""and at least so many pixels."""
LINE_SHARE = 1 / 300
"""Width of a box's line over the photo's longer side."""
GOLDEN = 0.618034
"""Step between the hues of tags, in turns: no two of the first few are close."""
LARGEST = {"PNG": 2**31 - 1, "JPEG": 65_500, "WEBP": 16_383}
"""Pixels a side that each format, as written here, holds."""
DARK = (15, 15, 15)
BRIGHT = (255, 255, 255)

Rectangle = tuple[int, int, int, int]
Colour = tuple[int, int, int]


class Drawn(NamedTuple):
    """A region as it is to be drawn: (x1, y1, x2, y2) in pixels of the photo, and its label, of a score or none."""

    box: tuple[float, float, float, float]
    tag: str
    score: float | None
    attribute: str | None = None


def check_plot_path(path: Path) -> None:
    """Refuse a path that no picture can be written to, before any work is done.

    Raises:
        UserError: The ending names no picture format, or the path is a folder.
    """
    if path.suffix.lower() not in FORMATS:
        raise UserError(f"--plot {path}: the name must end in {', '.join(FORMATS)}")
    if is_folder(path):
        raise UserError(f"--plot {path} is a folder: name a file in it")


def save_plot(path: Path, photo: Image.Image, regions: Sequence[Drawn]) -> None:
    """Draw regions over a photo and write the picture; see `draw_regions`.

    Raises:
        UserError: The path is no picture's or cannot be written.
    """
    save_picture(path, draw_regions(photo, regions))


def save_picture(path: Path, picture: Image.Image) -> None:
    """Write a picture in the format that its name says.

    Raises:
        UserError: The path is no picture's or cannot be written, or the format holds no picture of that size.
    """
    check_plot_path(path)
    picture_format = FORMATS[path.suffix.lower()]
    if max(picture.size) > LARGEST[picture_format]:
        raise UserError(
            f"--plot {path}: the picture has {picture.width} x {picture.height} pixels, and {picture_format} holds "
            f"{LARGEST[picture_format]:,} a side: use .png"
        )
    with replacing(path) as partial:
        picture.save(partial, format=picture_format)


def draw_regions(
    photo: Image.Image, regions: Sequence[Drawn], *, smallest: int = SMALLEST, font_share: float = FONT_SHARE
) -> Image.Image:
    """Draw boxes and tags over a copy of a photo.

    Regions of one tag share a colour. Lines and labels have dark edges, so that they show on bright photos and dark
    ones alike. The best regions lie on top, and their labels get the best places.

    Args:
        photo: RGB; a small one is enlarged.
        regions: Best first.
        smallest: Pixels of the longer side to which a small one is enlarged.
        font_share: Height of a label's text over the picture's longer side; lines grow with it.
    """
    scale = max(1.0, smallest / max(photo.size))
    size = (max(1, round(photo.width * scale)), max(1, round(photo.height * scale)))
    picture = photo.copy() if scale == 1.0 else photo.resize(size, Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(picture)
    width = max(2, round(max(picture.size) * LINE_SHARE * font_share / FONT_SHARE))
    colours = _colours(region.tag for region in regions)
    boxes = [_on_picture(region, scale, picture.size) for region in regions]
    for region, box in reversed(list(zip(regions, boxes, strict=True))):
        _outline(draw, box, colours[region.tag], width)
    font_size = max(SMALLEST_FONT, round(max(picture.size) * font_share))
    _draw_labels(draw, picture.size, font_size, regions, boxes, colours)
    return picture


def _colours(tags: Iterable[str]) -> dict[str, Colour]:
    """Give every tag a bright colour of its own, in order of appearance."""
    colours: dict[str, Colour] = {}
    for tag in tags:
        if tag not in colours:
            hue = (0.58 + GOLDEN * len(colours)) % 1.0
            red, green, blue = colorsys.hls_to_rgb(hue, 0.62, 0.95)
            colours[tag] = (round(255 * red), round(255 * green), round(255 * blue))
    return colours


def _on_picture(region: Drawn, scale: float, size: tuple[int, int]) -> Rectangle:
    """Return the region's corners in whole pixels of the picture, at least one pixel apart where there is room."""
    x1, y1, x2, y2 = (round(side * scale) for side in region.box)
    x2, y2 = min(max(x2, x1 + 1), size[0] - 1), min(max(y2, y1 + 1), size[1] - 1)
    return max(0, min(x1, x2)), max(0, min(y1, y2)), max(0, x2), max(0, y2)


def _outline(draw: ImageDraw.ImageDraw, box: Rectangle, colour: Colour, width: int) -> None:
    """Draw a coloured line between two thin dark ones."""
    edge = max(1, width // 2)
    draw.rectangle(box, outline=DARK, width=width + edge)
    x1, y1, x2, y2 = box
    inset = edge // 2
    if x2 - x1 > 2 * inset and y2 - y1 > 2 * inset:
        draw.rectangle((x1 + inset, y1 + inset, x2 - inset, y2 - inset), outline=colour, width=width)


def _draw_labels(
    draw: ImageDraw.ImageDraw,
    size: tuple[int, int],
    font_size: int,
    regions: Sequence[Drawn],
    boxes: Sequence[Rectangle],
    colours: dict[str, Colour],
) -> None:
    font = ImageFont.load_default(font_size)
    padding = max(2, font_size // 5)
    taken: list[Rectangle] = []
    for region, box in zip(regions, boxes, strict=True):
        words = region.tag if region.attribute is None else f"{region.attribute} {region.tag}"
        score = "" if region.score is None else f" {region.score:.2f}"
        text = f"{printable(words)}{score}"
        label = (round(font.getlength(text)) + 2 * padding, font_size + 2 * padding)
        x, y = _place(box, label, size, taken)
        area = (x, y, x + label[0], y + label[1])
        taken.append(area)
        fill = colours[region.tag]
        draw.rectangle(area, fill=fill, outline=DARK, width=max(1, font_size // 14))
        ink = DARK if _is_bright(fill) else BRIGHT
        draw.text((x + padding, y + label[1] / 2), text, fill=ink, font=font, anchor="lm")


def _is_bright(colour: Colour) -> bool:
    """Tell whether dark text reads better on a colour than bright text (ITU-R BT.601 luma)."""
    return 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2] > 128


def _place(
    box: Rectangle, label: tuple[int, int], size: tuple[int, int], taken: Sequence[Rectangle]
) -> tuple[int, int]:
    """Find the label's top-left corner: at the box, within the picture, and off other labels where that can be."""
    x1, y1, x2, y2 = box
    width, height = label
    rows = [y1 - height, y1, y2 - height, y2, *range(y1 + height, y2 - height, height)]
    corners = [(x, y) for y in rows for x in (x1, x2 - width)]
    within = [(max(0, min(x, size[0] - width)), max(0, min(y, size[1] - height))) for x, y in corners]
    free = (at for at in within if not any(_overlap((*at, at[0] + width, at[1] + height), other) for other in taken))
    return next(free, within[0])


def _overlap(one: Rectangle, other: Rectangle) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
