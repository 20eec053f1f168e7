"""Disguises change surfaces, and neither sizes nor which colour is which."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from minivlm.training.disguise import DISGUISES, disguised
from tests.training.made import seeded

RED, BLUE = (200, 40, 30), (30, 60, 200)


@pytest.fixture
def scene() -> Image.Image:
    image = Image.new("RGB", (64, 48), BLUE)
    ImageDraw.Draw(image).ellipse((10, 10, 38, 38), fill=RED)
    image.putpixel((50, 40), (255, 255, 255))
    return image


@pytest.mark.parametrize("disguise", DISGUISES)
@pytest.mark.parametrize("much", [0.0, 1.0])
def test_what_is_red_stays_red_where_it_was(disguise, much: float, scene: Image.Image):
    shown = disguise(scene, much, seeded())
    assert (shown.mode, shown.size) == ("RGB", scene.size)
    assert np.abs(np.asarray(shown).astype(int) - np.asarray(scene)).max() > 0
    inside, outside = (
        np.asarray(shown)[place].reshape(-1, 3).mean(axis=0) for place in (np.s_[20:28, 20:28], np.s_[:5])
    )
    assert inside.argmax() == 0
    assert outside.argmax() == 2


def test_chance_chooses_among_all(scene: Image.Image):
    generator = seeded()
    seen = {disguised(scene, generator).tobytes() for _ in range(60)}
    assert len(seen) > 50
    assert disguised(scene, seeded(7)).tobytes() == disguised(scene, seeded(7)).tobytes()
