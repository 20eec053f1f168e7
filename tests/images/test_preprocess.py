"""Photo to network input: the resize specification to the bit, geometry, normalisation, the fixture for phones."""

import json
import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from minivlm.errors import UserError
from minivlm.images.photos import load_photo
from minivlm.images.preprocess import NetworkInput, letterbox, resize_short_side
from minivlm.vision.pixels import IMAGENET_RGB, MSRA_BGR, PixelFormat
from tests.fixtures.make_preprocess_fixture import FOLDER, write_expected
from tests.images.resize_by_spec import resize

LEVELS = PixelFormat(channels="rgb", mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))  # leaves 0..255 as they are

sides = st.integers(1, 70) | st.integers(1, 600)


def noise(height: int, width: int, seed: int = 0, contrast: int = 256) -> Image.Image:
    """Random levels; with contrast 2, black and white only, where every rounding error shows first."""
    levels = np.random.default_rng(seed).integers(0, contrast, (height, width, 3)) * (255 // (contrast - 1))
    return Image.fromarray(levels.astype(np.uint8))


def content(made: NetworkInput) -> torch.Tensor:
    """The photo's part of the image, (3, h, w)."""
    height, width = (int(side) for side in made.extent)
    return made.image[0, :, :height, :width]


class TestResize:
    @settings(max_examples=150, deadline=None)
    @given(photo=st.tuples(sides, sides), size=st.tuples(sides, sides), contrast=st.sampled_from([2, 256]))
    def test_it_equals_the_specification_bit_for_bit(self, photo, size, contrast):
        image = noise(*photo, seed=photo[0], contrast=contrast)
        made = letterbox(image, size, LEVELS)
        height, width = (int(side) for side in made.extent)
        expected = resize(np.asarray(image), height, width)
        assert np.array_equal(content(made).numpy(), expected.transpose(2, 0, 1))

    @pytest.mark.parametrize("photo", [(1, 3000), (3000, 1), (3000, 2), (2000, 1500)])
    def test_strong_reductions_equal_it_too(self, photo):
        image = noise(*photo)
        made = letterbox(image, (31, 33), LEVELS)
        expected = resize(np.asarray(image), *(int(side) for side in made.extent))
        assert np.array_equal(content(made).numpy(), expected.transpose(2, 0, 1))

    def test_fine_stripes_become_grey_instead_of_coarse_stripes(self):
        """A filter that does not widen with the reduction would read black or white from one-pixel stripes.

        Expected: their mean, 127.5, within the 2 x 0.5 levels of two roundings, away from the borders.
        """
        stripes = np.zeros((320, 320, 3), dtype=np.uint8)
        stripes[:, ::2] = 255
        inner = content(letterbox(Image.fromarray(stripes), (40, 40), LEVELS))[:, 2:-2, 2:-2]
        assert (inner - 127.5).abs().max() <= 1.0

    def test_a_flat_photo_stays_flat(self):
        image = Image.new("RGB", (123, 457), (255, 128, 1))
        for size in ((64, 64), (900, 900)):
            flat = content(letterbox(image, size, LEVELS)).flatten(1)
            assert flat.amin(1).tolist() == flat.amax(1).tolist() == [255.0, 128.0, 1.0]


class TestGeometry:
    @settings(deadline=None)
    @given(photo=st.tuples(sides, sides), size=st.tuples(sides, sides))
    def test_the_photo_just_fits(self, photo, size):
        made = letterbox(noise(*photo), size, LEVELS)
        ratio = min(Fraction(size[0], photo[0]), Fraction(size[1], photo[1]))
        expected = [max(1, math.floor(side * ratio + Fraction(1, 2))) for side in photo]
        assert made.extent.tolist() == expected
        assert expected[0] == size[0] or expected[1] == size[1]
        assert made.image.shape == (1, 3, *size)

    def test_halves_are_rounded_up(self):
        """A 200 x 101 photo at half its size is 50.5 pixels high; 50 would be rounding to even."""
        assert letterbox(noise(101, 200), (100, 100), LEVELS).extent.tolist() == [51.0, 100.0]

    @pytest.mark.parametrize(("photo", "extent"), [((1, 1), (64, 64)), ((1, 10_000), (1, 64)), ((10_000, 1), (64, 1))])
    def test_extreme_photos_keep_at_least_a_pixel(self, photo, extent):
        assert letterbox(noise(*photo), (64, 64), LEVELS).extent.tolist() == list(extent)

    @pytest.mark.parametrize(
        ("photo", "extent"),
        [((480, 640), (600, 800)), ((640, 480), (800, 600)), ((300, 1000), (300, 1000)), ((768, 2048), (375, 1000))],
        ids=["enlarged", "upright", "bounded by the long side", "reduced"],
    )
    def test_the_short_side_is_600_unless_the_long_one_exceeds_1000(self, photo, extent):
        made = resize_short_side(noise(*photo), 600, 1000, LEVELS)
        assert made.extent.tolist() == list(extent)
        assert made.image.shape == (1, 3, *extent), "nothing is padded"

    @settings(deadline=None)
    @given(photo=st.tuples(sides, sides), size=st.tuples(sides, sides), data=st.data())
    def test_a_box_comes_back_to_where_it_was(self, photo, size, data):
        """Rounded to whole network pixels it returns within half of one, 0.5 / scale photo pixels.

        To that, 1e-3 is added for float32 on coordinates up to 600.
        """
        made = letterbox(noise(*photo), size, LEVELS)
        x1, x2 = sorted(data.draw(st.tuples(*[st.floats(0, photo[1])] * 2)))
        y1, y2 = sorted(data.draw(st.tuples(*[st.floats(0, photo[0])] * 2)))
        scale = torch.tensor([made.extent[1] / photo[1], made.extent[0] / photo[0]]).repeat(2)
        box = torch.tensor([[x1, y1, x2, y2]])
        back = made.to_photo((box * scale).round())
        assert ((back - box).abs() <= 0.5 / scale + 1e-3).all()

    def test_the_photos_corners_map_to_each_other(self):
        made = letterbox(noise(427, 640), (512, 512), LEVELS)
        height, width = made.extent.tolist()
        corners = made.to_photo(torch.tensor([[0.0, 0.0, width, height]]))
        torch.testing.assert_close(corners, torch.tensor([[0.0, 0.0, 640.0, 427.0]]), rtol=1e-6, atol=0)

    def test_a_box_in_the_padding_ends_at_the_photos_edge(self):
        made = letterbox(noise(50, 100), (100, 100), LEVELS)
        assert made.to_photo(torch.tensor([[-5.0, 40.0, 30.0, 90.0]])).tolist() == [[0.0, 40.0, 30.0, 50.0]]


class TestPixels:
    def test_levels_are_normalised_in_float32(self):
        image = noise(20, 30)
        image_levels = np.asarray(image).transpose(2, 0, 1).astype(np.float32)
        mean, std = (np.float32(values)[:, None, None] for values in (IMAGENET_RGB.mean, IMAGENET_RGB.std))
        made = resize_short_side(image, 20, 100, IMAGENET_RGB)
        assert np.array_equal(made.image[0].numpy(), (image_levels - mean) / std)

    def test_bgr_swaps_red_and_blue(self):
        made = letterbox(Image.new("RGB", (4, 4), (200, 100, 50)), (4, 4), MSRA_BGR)
        expected = np.float32([50, 100, 200]) - np.float32([103.53, 116.28, 123.675])
        assert np.array_equal(made.image[0, :, 0, 0].numpy(), expected)

    @pytest.mark.parametrize("photo", [(30, 60), (60, 30)])
    def test_padding_is_the_mean_colour(self, photo):
        made = letterbox(Image.new("RGB", photo, "white"), (64, 64), IMAGENET_RGB)
        height, width = (int(side) for side in made.extent)
        assert (made.image[:, :, height:] == 0).all()
        assert (made.image[:, :, :, width:] == 0).all()
        assert (content(made) > 1).all()

    @pytest.mark.parametrize(
        "make", [lambda p: letterbox(p, (9, 9), MSRA_BGR), lambda p: resize_short_side(p, 9, 20, MSRA_BGR)]
    )
    def test_tensors_are_ready_for_any_runtime(self, make):
        made = make(noise(5, 7))
        assert made.image.is_contiguous()
        assert made.image.dtype == made.extent.dtype == torch.float32

    @pytest.mark.parametrize("mode", ["L", "RGBA", "CMYK"])
    def test_only_rgb_is_taken(self, mode):
        with pytest.raises(UserError, match=f"pixels are {mode}, networks take RGB; open it with load_photo"):
            letterbox(Image.new(mode, (4, 4)), (8, 8), IMAGENET_RGB)


class TestFixtureForOtherLanguages:
    """What an implementation in Kotlin or Swift does with tests/fixtures/preprocess."""

    EXPECTED = json.loads((FOLDER / "expected.json").read_text())

    @pytest.mark.parametrize("case", EXPECTED["cases"], ids=lambda case: case["tensor"])
    def test_tensors_follow_from_the_specification(self, case):
        """To the bit: whole-number resize, then one float32 subtraction and one division."""
        with Image.open(FOLDER / self.EXPECTED["photo"]) as photo:
            levels = np.asarray(photo)
        assert list(levels.shape) == [*self.EXPECTED["photo_size"], 3]
        height, width = (int(side) for side in case["extent"])
        order = [2, 1, 0] if case["pixels"]["channels"] == "bgr" else [0, 1, 2]
        planes = resize(levels, height, width).transpose(2, 0, 1)[order].astype(np.float32)
        mean, std = (np.float32(case["pixels"][key])[:, None, None] for key in ("mean", "std"))
        expected = np.zeros(case["shape"], dtype=np.float32)
        expected[0, :, :height, :width] = (planes - mean) / std
        stored = np.fromfile(FOLDER / case["tensor"], dtype="<f4").reshape(case["shape"])
        assert np.array_equal(stored, expected)

    @pytest.mark.parametrize("case", EXPECTED["cases"], ids=lambda case: case["tensor"])
    def test_boxes_follow_from_extent_and_photo_size(self, case):
        """Tolerance 1e-6 of a coordinate: float32 arithmetic."""
        height, width = self.EXPECTED["photo_size"]
        scale_y, scale_x = (extent / side for extent, side in zip(case["extent"], (height, width), strict=True))
        assert case["scale"] == [scale_x, scale_y]
        expected = [
            [min(x1 / scale_x, width), min(y1 / scale_y, height), min(x2 / scale_x, width), min(y2 / scale_y, height)]
            for x1, y1, x2, y2 in case["boxes"]
        ]
        np.testing.assert_allclose(case["boxes_in_photo"], expected, rtol=1e-6)

    def test_the_script_writes_what_is_stored(self, tmp_path: Path):
        (tmp_path / "photo.png").write_bytes((FOLDER / "photo.png").read_bytes())
        write_expected(tmp_path)
        for file in tmp_path.iterdir():
            assert file.read_bytes() == (FOLDER / file.name).read_bytes(), file.name

    def test_the_photo_is_small_and_needs_no_jpeg_decoder(self):
        assert (FOLDER / "photo.png").stat().st_size < 20_000
        assert load_photo(FOLDER / "photo.png").size == (64, 48)
