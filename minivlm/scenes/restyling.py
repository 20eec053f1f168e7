"""A drawing as somebody else might have drawn it: other proportions, other shades, flat, with or without outlines.

Each class has drawings of two or three artists, and a detector learns these by heart. Of a class, what stays in all of
these looks is its parts and how they are put together. Nothing of a style that is held out goes into them.
"""

import hashlib

import numpy as np
from numpy.random import Generator, default_rng
from numpy.typing import NDArray
from PIL import Image, ImageFilter

WIDTHS = (0.78, 1.28)
"""Least and most that a drawing becomes wider by."""
CELLS = 4
"""Cells a side of the net that is bent."""
BENT = 0.055
"""Standard deviation of a knot's way, of the drawing's longer side."""
FLAT, SMOOTH = 0.75, 0.15
"""Share of looks in a few flat shades, and of those whose details are smoothed away; the others keep their shading."""
SHADES = (3, 8)
"""Fewest and most of a flat drawing."""
HUES = {"kept": 0.5, "turned": 0.2, "each its own": 0.3}
"""What becomes of a flat drawing's hues, and the shares."""
LINED = 0.35
"""Share of looks with a dark outline."""
DARKEST = 70
"""First brightness of 255 that no outline has."""


def in_another_look(drawing: Image.Image, name: str) -> Image.Image:
    """Return an RGBA drawing in another look, of about its size.

    Args:
        drawing: RGBA.
        name: Decides on the look: the same name gives the same one.
    """
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little")
    chance = default_rng(seed)
    look = _bent(drawing.convert("RGBa"), chance).convert("RGBA")
    kind = chance.random()
    if kind < FLAT:
        look = _flat(look, chance)
    elif kind < FLAT + SMOOTH:
        look = look.filter(ImageFilter.ModeFilter(5))
    return _lined(look, chance) if chance.random() < LINED else look


def _bent(drawing: Image.Image, chance: Generator) -> Image.Image:
    """Change a premultiplied drawing's proportions, and bend it as if it were of rubber."""
    width, height = max(8, round(drawing.width * float(chance.uniform(*WIDTHS)))), drawing.height
    margin = max(width, height) // 8
    board = Image.new("RGBa", (width + 2 * margin, height + 2 * margin))
    board.paste(drawing.resize((width, height), Image.Resampling.BICUBIC), (margin, margin))
    columns, rows = (np.linspace(0, side, CELLS + 1).round().astype(int) for side in board.size)
    ways = chance.normal(0.0, BENT * max(width, height), (2, CELLS + 1, CELLS + 1))
    ways[:, [0, -1]] = ways[:, :, [0, -1]] = 0.0  # the board's edge stays
    mesh = []
    for row in range(CELLS):
        for column in range(CELLS):
            corners = ((row, column), (row + 1, column), (row + 1, column + 1), (row, column + 1))
            source = [
                float(place) for r, c in corners for place in (columns[c] + ways[0, r, c], rows[r] + ways[1, r, c])
            ]
            cell = (int(columns[column]), int(rows[row]), int(columns[column + 1]), int(rows[row + 1]))
            mesh.append((cell, tuple(source)))
    return board.transform(board.size, Image.Transform.MESH, mesh, Image.Resampling.BICUBIC)


def _flat(drawing: Image.Image, chance: Generator) -> Image.Image:
    """Leave a few shades of a drawing, each of them changed."""
    alpha = drawing.getchannel("A")
    filled = Image.new("RGB", drawing.size, "#888")
    filled.paste(drawing.convert("RGB"), mask=alpha)
    few = filled.filter(ImageFilter.MedianFilter(5)).quantize(
        int(chance.integers(SHADES[0], SHADES[1] + 1)), Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE
    )
    few.putpalette(_reshaded(np.array(few.getpalette(), dtype=np.uint8).reshape(-1, 3), chance).flatten().tolist())
    flat = few.convert("RGBA")
    flat.putalpha(alpha)
    return flat


def _reshaded(palette: NDArray[np.uint8], chance: Generator) -> NDArray[np.uint8]:
    """Return a (K, 3) palette in other hues, saturations and brightnesses."""
    shades = np.array(Image.fromarray(palette[None]).convert("HSV"))[0].astype(np.float64)
    hues = chance.choice(list(HUES), p=list(HUES.values()))
    if hues == "turned":
        shades[:, 0] += chance.integers(256)
    elif hues == "each its own":
        shades[:, 0] += chance.integers(0, 256, len(shades))
        shades[:, 1] += chance.integers(0, 120, len(shades))
    shades[:, 0] %= 256.0
    shades[:, 1] *= chance.uniform(0.6, 1.4)
    shades[:, 2] += chance.normal(0.0, 28.0, len(shades))
    changed = Image.fromarray(np.clip(shades, 0.0, 255.0).astype(np.uint8)[None], "HSV").convert("RGB")
    return np.array(changed)[0]


def _lined(drawing: Image.Image, chance: Generator) -> Image.Image:
    """Draw a dark line around a drawing."""
    wider = drawing.getchannel("A").filter(ImageFilter.MaxFilter(2 * int(chance.integers(1, 3)) + 1))
    red, green, blue = (int(part) for part in chance.integers(0, DARKEST, 3))
    line = Image.new("RGBA", drawing.size, (red, green, blue, 255))
    line.putalpha(wider)
    line.alpha_composite(drawing)
    return line
