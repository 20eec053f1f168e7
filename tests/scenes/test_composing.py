"""Composed pictures: whose pixels are whose, what depends on what, and that every machine makes the same."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from minivlm.scenes import composing
from minivlm.scenes.composing import SPLITS, Composer
from minivlm.scenes.drawings import Drawings
from minivlm.scenes.palette import Tint
from minivlm.scenes.scene import Scene
from minivlm.scenes.things import all_things
from tests.scenes.conftest import SCENES
from tests.scenes.made_up import EVERY, STYLES

GOLDEN = "134b79396976455a92153c4ec2a39432573b81b738fd147608b79fecde5215dd"
"""SHA-256 over the pixels and boxes of 12 pictures, on Linux x86-64; the same everywhere, or sets cannot be named by
their seed. New versions of Pillow or NumPy may change it: then sets made before are no longer made again."""


class TestPlacing:
    """Opaque squares on an empty canvas of 100 x 100, whose boxes can be counted."""

    @pytest.fixture
    def canvas(self) -> composing._Canvas:
        return composing._Canvas(Image.new("RGB", (100, 100)))

    def put(self, canvas: composing._Canvas, left: int, top: int, side: int, colour: str = "red") -> bool:
        chosen = composing._Chosen(all_things()[0], "round", side, 0, False, 0)
        return canvas.place(Image.new("RGBA", (side, side), colour), chosen, Tint("red", ("red",)), left, top)

    def test_a_box_is_of_what_is_not_covered(self, canvas: composing._Canvas) -> None:
        assert self.put(canvas, 10, 10, 40)
        assert self.put(canvas, 30, 0, 60, "blue")
        behind, front = canvas.objects()
        assert behind.box == (10, 10, 30, 50)
        assert (behind.visible, behind.pixels) == (0.5, 800)
        assert (front.box, front.visible) == ((30, 0, 90, 60), 1.0)

    def test_a_box_ends_at_the_edge(self, canvas: composing._Canvas) -> None:
        assert self.put(canvas, 70, -10, 40)
        (one,) = canvas.objects()
        assert one.box == (70, 0, 100, 30)
        assert (one.visible, one.pixels) == (0.562, 900)  # of 1,600

    @pytest.mark.parametrize(("left", "placed"), [(26, True), (25, False)])
    def test_what_would_hide_too_much_is_not_in_the_picture_either(
        self, canvas: composing._Canvas, left: int, placed: bool
    ) -> None:
        self.put(canvas, 10, 10, 40)  # of which two fifths, 16 of 40 columns, must be seen: to column 26
        before = canvas.image.tobytes()
        assert self.put(canvas, left, 0, 60, "blue") == placed
        assert (canvas.image.tobytes() != before) == placed
        assert len(canvas.objects()) == 1 + placed

    @pytest.mark.parametrize(("left", "placed"), [(88, True), (89, False)])
    def test_a_small_thing_must_be_seen_nearly_whole(self, canvas: composing._Canvas, left: int, placed: bool) -> None:
        assert self.put(canvas, left, 50, 16) == placed  # three quarters of 16 columns are 12: from column 88

    def test_clear_pixels_hide_nothing(self, canvas: composing._Canvas) -> None:
        self.put(canvas, 10, 10, 40)
        drawing = Image.new("RGBA", (60, 60), "#0000ff50")  # alpha 80 of 255
        drawing.paste("blue", (50, 0, 60, 60))
        chosen = composing._Chosen(all_things()[0], "round", 60, 0, False, 0)
        assert canvas.place(drawing, chosen, Tint("blue", ("blue",)), 0, 0)
        behind, front = canvas.objects()
        assert behind.visible == 1.0
        assert front.box == (50, 0, 60, 60)


class TestScenes:
    def test_the_same_picture_whatever_was_made_before_it(self, composer: Composer, folder: Path) -> None:
        fresh = Composer(Drawings(folder), split="train", seed=3, side=160)
        image, scene = fresh.compose(17)
        again, same = composer.compose(17)
        assert image.tobytes() == again.tobytes()
        assert scene == same

    def test_seed_split_and_index_each_matter(self, folder: Path) -> None:
        seen = set()
        for split in SPLITS:
            for seed in (0, 1):
                composer = Composer(Drawings(folder), split=split, seed=seed, side=128)
                seen |= {hashlib.sha256(composer.compose(index)[0].tobytes()).digest() for index in range(2)}
        assert len(seen) == len(SPLITS) * 4

    def test_every_machine_makes_the_same(self, folder: Path) -> None:
        digest = hashlib.sha256()
        composer = Composer(Drawings(folder), split="val", seed=7, side=128)
        for index in range(12):
            image, scene = composer.compose(index)
            digest.update(image.tobytes())
            digest.update(json.dumps([(one.noun, one.box, one.visible) for one in scene.objects]).encode())
        assert digest.hexdigest() == GOLDEN

    def test_only_one_split_shows_the_style_that_is_held_out(self, folder: Path) -> None:
        for split in SPLITS:
            composer = Composer(Drawings(folder), split=split, seed=0, side=128)
            styles = {one.style for index in range(8) for one in composer.compose(index)[1].objects}
            held_out = {style for style, (_, out) in STYLES.items() if out}
            assert styles == (held_out if split == "unseen-style" else set(STYLES) - held_out)

    def test_boxes_are_within_the_picture_and_as_large_as_they_may_be(self, scenes: list[Scene]) -> None:
        for scene in scenes:
            assert 1 <= len(scene.objects) <= composing.MOST
            for one in scene.objects:
                left, top, right, bottom = one.box
                assert 0 <= left < right <= scene.side
                assert 0 <= top < bottom <= scene.side
                assert max(right - left, bottom - top) <= 112 * scene.side // 256
                assert one.pixels <= one.area
                assert one.visible >= (0.75 if one.size == "small" else 0.4)

    def test_all_that_can_vary_does(self, scenes: list[Scene]) -> None:
        objects = [one for scene in scenes for one in scene.objects]
        assert {one.size for one in objects} == {"small", "medium", "large"}
        assert len({one.colour for one in objects}) >= 8
        assert any(one.visible < 0.9 for one in objects)
        assert len({len(scene.objects) for scene in scenes}) >= 6
        assert {one.noun for one in objects} == {thing.noun for thing in all_things()[::EVERY]}
        assert len(scenes) == SCENES

    def test_a_pair_of_pictures_shares_classes(self, scenes: list[Scene]) -> None:
        nouns = [{one.noun for one in scene.objects} for scene in scenes]
        pairs = [bool(nouns[row] & nouns[row + 1]) for row in range(0, len(nouns), 2)]
        others = [bool(nouns[row] & nouns[row + 3]) for row in range(0, len(nouns) - 3, 2)]
        assert np.mean(pairs) > 0.6 > 0.4 > np.mean(others)
