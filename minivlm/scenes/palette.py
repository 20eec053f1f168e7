"""Which named colour a drawing has, from its own pixels."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from minivlm.scenes.things import COLOURS

SOLID = 128
"""Alpha from which a pixel counts as the drawing's."""
GREYS = ("black", "white", "grey")
STRIKING = 2
"""Times that a pixel counts that is no grey: a grey pump with a red front is a red pump to whoever sees it."""
MOST = 0.5
"""Share of a drawing's pixels, so counted, from which their colour is the drawing's."""
SOME = 0.12
"""Share from which a drawing could be said to have a colour, too: of such, nothing is asked and nothing denied."""
LOOKED_AT = 32
"""Pixels a side to which a drawing is reduced for this."""

DARK, PALE, BRIGHT = 62, 38, 200
"""Value below which all is black; saturation below which all is grey; value from which such grey is white."""
SLATE = 90
"""Saturation below which green and blue of middle value pass for grey, and darker ones for black."""
HUES = ((10, "red"), (30, "orange"), (45, "yellow"), (121, "green"), (181, "blue"), (214, "purple"), (246, "pink"))
"""First hue that is beyond a colour, of 256; what is beyond all is red again."""


@dataclass(frozen=True)
class Tint:
    """The colour of a drawing.

    Attributes:
        name: One of `COLOURS`, or "" of a drawing of many colours.
        hints: All colours that the drawing has enough of to be called by it; holds `name`.
    """

    name: str
    hints: tuple[str, ...]


def tint_of(drawing: Image.Image, shift: int = 0) -> Tint:
    """Return the colour that most pixels of a drawing have.

    Args:
        drawing: RGBA.
        shift: By which its hues will be `turned`.
    """
    small = turned(drawing.resize((LOOKED_AT, LOOKED_AT), Image.Resampling.BOX), shift)
    solid = np.asarray(small.getchannel("A")) >= SOLID
    names = _names(np.asarray(small.convert("RGB").convert("HSV"))[solid])
    counts = np.bincount(names, minlength=len(COLOURS)) * [1 if name in GREYS else STRIKING for name in COLOURS]
    total = max(1, int(counts.sum()))
    hints = tuple(colour for colour, count in zip(COLOURS, counts, strict=True) if count >= SOME * total)
    best = int(counts.argmax())
    return Tint(COLOURS[best] if counts[best] >= MOST * total else "", hints)


def _names(pixels: NDArray[np.uint8]) -> NDArray[np.intp]:
    """Return the index of each pixel's colour; pixels (N, 3) of hue, saturation and value, each of 256."""
    hue, saturation, value = (pixels[:, channel].astype(np.intp) for channel in range(3))
    limits = np.array([limit for limit, _ in HUES])
    by_hue = np.array([COLOURS.index(name) for name in (*(name for _, name in HUES), "red")])
    names = by_hue[np.searchsorted(limits, hue, side="right")]
    warm = (hue >= 4) & (hue < 40)
    names[warm & ((value < 190) | ((saturation < 150) & (value < 235)))] = COLOURS.index("brown")
    reddish = (hue < 4) | (hue >= 240)
    names[reddish & (saturation < 130) & (value >= 165)] = COLOURS.index("pink")
    slate = (hue >= 100) & (hue < 190) & (saturation < SLATE) & (value < BRIGHT)
    names[slate | (saturation < PALE)] = COLOURS.index("grey")
    names[(saturation < PALE) & (value >= BRIGHT)] = COLOURS.index("white")
    names[(value < DARK) | ((saturation < SLATE) & (value < DARK + 22))] = COLOURS.index("black")
    return names


def turned(drawing: Image.Image, shift: int) -> Image.Image:
    """Return a drawing with all its hues turned.

    Args:
        drawing: RGBA.
        shift: Of 256, the whole circle.
    """
    if shift == 0:
        return drawing
    hue, saturation, value = drawing.convert("RGB").convert("HSV").split()
    hue = hue.point([(level + shift) % 256 for level in range(256)])
    result = Image.merge("HSV", (hue, saturation, value)).convert("RGB")
    result.putalpha(drawing.getchannel("A"))
    return result
