"""Names of colours; expected ones are what the colours are called in CSS, whose values these are."""

import pytest
from PIL import Image

from minivlm.scenes.palette import tint_of, turned

CSS = {
    "red": ("#ff0000", "#dc143c"),
    "orange": ("#ff8c00",),
    "yellow": ("#ffff00", "#ffd700"),
    "green": ("#008000", "#32cd32"),
    "blue": ("#0000ff", "#4169e1", "#00bfff"),
    "purple": ("#800080", "#8a2be2"),
    "pink": ("#ff69b4", "#ffc0cb"),
    "brown": ("#8b4513", "#a0522d", "#d2b48c"),
    "black": ("#000000", "#202020"),
    "white": ("#ffffff", "#f5f5f5"),
    "grey": ("#808080", "#a9a9a9", "#708090"),
}


def square(colour: str) -> Image.Image:
    return Image.new("RGBA", (64, 64), colour)


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in CSS.items() for value in values])
def test_a_plain_colour_has_its_name(name: str, value: str) -> None:
    assert tint_of(square(value)).name == name


def test_transparent_pixels_do_not_count() -> None:
    drawing = Image.new("RGBA", (64, 64), (0, 0, 255, 0))
    drawing.paste("#ff0000", (0, 0, 16, 16))
    assert tint_of(drawing).name == "red"


@pytest.mark.parametrize(("width", "name"), [(40, "red"), (28, "blue")])
def test_most_pixels_decide_and_the_others_are_hints(width: int, name: str) -> None:
    drawing = square("#0000ff")
    drawing.paste("#ff0000", (0, 0, width, 64))
    found = tint_of(drawing)
    assert found.name == name
    assert set(found.hints) == {"red", "blue"}


@pytest.mark.parametrize(("width", "name"), [(24, "red"), (18, "grey")])
def test_a_striking_colour_counts_twice(width: int, name: str) -> None:
    drawing = square("#808080")
    drawing.paste("#ff0000", (0, 0, width, 64))  # 48 to 40, and 36 to 46
    assert tint_of(drawing).name == name


def test_a_drawing_of_three_equal_colours_has_none() -> None:
    drawing = square("#0000ff")
    drawing.paste("#ff0000", (0, 0, 22, 64))
    drawing.paste("#008000", (22, 0, 43, 64))
    assert tint_of(drawing).name == ""
    assert set(tint_of(drawing).hints) == {"red", "green", "blue"}


def test_turning_hues_by_a_third_makes_red_green_and_leaves_grey_and_alpha() -> None:
    drawing = square("#ff0000")
    drawing.paste("#808080", (32, 0, 64, 64))
    drawing.putalpha(Image.linear_gradient("L").resize((64, 64)))
    found = turned(drawing, 85)
    red, green, blue, _ = found.getpixel((0, 63))
    assert green > 240
    assert max(red, blue) < 20
    assert found.getpixel((63, 63))[:3] == (128, 128, 128)
    assert found.getchannel("A").tobytes() == drawing.getchannel("A").tobytes()
    assert tint_of(drawing.crop((0, 0, 32, 64)), 85).name == "green"
