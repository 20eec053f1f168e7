"""One picture of several rows, each a picture with lines of text beside it: a figure for people."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from PIL import Image, ImageDraw, ImageFont

from minivlm.errors import printable

SIDE = 720
"""Pixels of a row's picture, and least height of a row."""
TEXT_WIDTH = 960
MARGIN = 36
FONT_SIZE = 36
SMALL_FONT_SIZE = 28
LINE_HEIGHT = 1.3
"""Of a line of text over its font's size."""
GAP = 22
"""Pixels before a heading."""
PAPER = (255, 255, 255)
RULE = (225, 225, 225)


class Ink(Enum):
    """How a line is written; a colour never says alone what the words do not say."""

    HEADING = (120, 120, 120)
    PLAIN = (25, 25, 25)
    RIGHT = (0, 115, 75)
    WRONG = (185, 50, 0)

    @property
    def size(self) -> int:
        """Pixels."""
        return SMALL_FONT_SIZE if self is Ink.HEADING else FONT_SIZE


@dataclass(frozen=True, kw_only=True)
class Line:
    """A text in one ink; what is too long goes on in the next line."""

    text: str
    ink: Ink = Ink.PLAIN


@dataclass(frozen=True, kw_only=True)
class Row:
    """A picture, of any size, and what stands beside it."""

    picture: Image.Image
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class _Placed:
    text: str
    ink: Ink
    top: int


def draw_sheet(rows: Sequence[Row]) -> Image.Image:
    """Draw rows below each other, each as high as its text and its picture need.

    Args:
        rows: At least one.
    """
    placed = [list(_placed(row.lines)) for row in rows]
    pictures = [_fitted(row.picture) for row in rows]
    heights = [max(picture.height, _bottom(lines)) for picture, lines in zip(pictures, placed, strict=True)]
    size = (SIDE + TEXT_WIDTH + 3 * MARGIN, sum(heights) + MARGIN * (len(rows) + 1))
    sheet = Image.new("RGB", size, PAPER)
    draw, top = ImageDraw.Draw(sheet), MARGIN
    for picture, lines, height in zip(pictures, placed, heights, strict=True):
        if top > MARGIN:
            draw.line((MARGIN, top - MARGIN // 2, size[0] - MARGIN, top - MARGIN // 2), fill=RULE, width=2)
        sheet.paste(picture, (MARGIN + (SIDE - picture.width) // 2, top))
        for line in lines:
            at = (SIDE + 2 * MARGIN, top + line.top)
            draw.text(at, line.text, fill=line.ink.value, font=ImageFont.load_default(line.ink.size), anchor="la")
        top += height + MARGIN
    return sheet


def _fitted(picture: Image.Image) -> Image.Image:
    scale = SIDE / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture if size == picture.size else picture.resize(size, Image.Resampling.BICUBIC)


def _placed(lines: Sequence[Line]) -> Iterator[_Placed]:
    top = 0
    for number, line in enumerate(lines):
        top += GAP if line.ink is Ink.HEADING and number > 0 else 0
        for text in wrapped(printable(line.text), line.ink.size, TEXT_WIDTH):
            yield _Placed(text, line.ink, top)
            top += round(line.ink.size * LINE_HEIGHT)


def _bottom(lines: Sequence[_Placed]) -> int:
    return max((line.top + round(line.ink.size * LINE_HEIGHT) for line in lines), default=0)


def wrapped(text: str, size: int, width: int) -> list[str]:
    """Break a text between words, and a word that is too long within, so that no line is wider than `width` pixels."""
    font = ImageFont.load_default(size)
    lines, line = [], ""
    for word in text.split():
        while font.getlength(word) > width:
            fits = next(n for n in range(len(word), 0, -1) if n == 1 or font.getlength(word[:n]) <= width)
            lines += [part for part in (line, word[:fits]) if part]
            line, word = "", word[fits:]
        longer = f"{line} {word}".strip()
        if font.getlength(longer) > width:
            lines.append(line)
            longer = word
        line = longer
    return [*lines, line] if line else lines
