"""A figure of rows: nothing is cut off, and nothing lies over anything else."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFont

from minivlm.images.sheet import FONT_SIZE, MARGIN, PAPER, SIDE, TEXT_WIDTH, Ink, Line, Row, draw_sheet, wrapped

WORDS = st.lists(st.text(alphabet="abcdefghij", min_size=1, max_size=60), max_size=30)


def row(*lines: Line, size: tuple[int, int] = (64, 64), colour: str = "#204060") -> Row:
    return Row(picture=Image.new("RGB", size, colour), lines=lines)


@settings(max_examples=50)
@given(WORDS, st.integers(40, 400))
def test_a_text_is_broken_so_that_every_line_fits_and_no_letter_is_lost(words: list[str], width: int) -> None:
    font = ImageFont.load_default(20)
    lines = wrapped(" ".join(words), 20, width)
    assert all(font.getlength(line) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == "".join(words)


def test_words_stay_whole_where_they_fit() -> None:
    assert wrapped("one two three", 20, 10_000) == ["one two three"]
    assert wrapped("aaaa bbbb", 20, round(ImageFont.load_default(20).getlength("aaaa b"))) == ["aaaa", "bbbb"]
    assert wrapped("", 20, 100) == []


def test_a_row_is_as_high_as_its_picture_or_its_text() -> None:
    short = draw_sheet([row(Line(text="a word"))])
    assert short.size == (SIDE + TEXT_WIDTH + 3 * MARGIN, SIDE + 2 * MARGIN)
    long = draw_sheet([row(*(Line(text="a word") for _ in range(40)))])
    assert long.height >= 40 * FONT_SIZE > SIDE
    assert draw_sheet([row(), row()]).height == 2 * SIDE + 3 * MARGIN


def test_pictures_of_any_shape_are_fitted_without_distortion() -> None:
    sheet = np.asarray(draw_sheet([row(size=(400, 100))]))
    shown = (sheet != PAPER).any(axis=2)[:, : SIDE + MARGIN]
    assert shown.any(axis=0).sum() == SIDE
    assert shown.any(axis=1).sum() == SIDE // 4


def test_text_stays_beside_its_picture_and_within_the_sheet() -> None:
    """Without the pictures, ink is in the text's column only, and a row apart from the next one's."""
    long = "a rather long sentence about everything that is in the picture, " * 6
    sheet = np.asarray(draw_sheet([row(Line(text=long), colour="white"), row(Line(text="b", ink=Ink.RIGHT))]))
    ink = (sheet[: SIDE + MARGIN // 2] != PAPER).any(axis=2)
    columns = np.flatnonzero(ink.any(axis=0))
    assert columns[0] >= SIDE + 2 * MARGIN
    assert columns[-1] <= SIDE + 2 * MARGIN + TEXT_WIDTH
    green = (sheet == Ink.RIGHT.value).all(axis=2)
    assert np.flatnonzero(green.any(axis=1))[0] >= SIDE + 2 * MARGIN
