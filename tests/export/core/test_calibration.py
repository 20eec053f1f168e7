"""Calibration photos: few are read, one at a time, none twice, and never the verification's."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from export.core.calibration import VIEWS, alike, calibration_set, photo_to_spare, thumbnail
from minivlm.errors import UserError
from minivlm.images.photos import default_photo, load_photo
from minivlm.vision.tee_config import TEE_TINY
from tests.tiny import save_photo

SIZE = TEE_TINY.image_size
CHINA, FLOWER = default_photo(), default_photo().with_name("flower.jpg")


class TestCalibrationSet:
    def test_without_a_folder_is_the_photo_that_the_verification_does_not_use(self):
        found = calibration_set(None, VIEWS, TEE_TINY, SIZE)
        assert found.photos == ("flower.jpg",)
        assert default_photo().name not in found.photos
        assert [image.shape for image, _ in found.samples] == [(1, 3, *SIZE)] * VIEWS

    def test_views_differ(self):
        found = calibration_set(None, VIEWS, TEE_TINY, SIZE)
        images = [image for image, _ in found.samples]
        assert not any(torch.equal(images[i], images[j]) for i in range(VIEWS) for j in range(i))

    def test_every_photo_comes_once_before_any_comes_again(self, tmp_path):
        for number in range(3):
            save_photo(tmp_path / f"{number}.png", seed=number)
        found = calibration_set(tmp_path, 2, TEE_TINY, SIZE)
        assert found.photos == ("0.png", "1.png")
        assert len(found.samples) == 2

    def test_files_that_are_no_photos_are_skipped_and_named(self, tmp_path):
        save_photo(tmp_path / "good.png")
        (tmp_path / "notes.txt").write_text("no photo")
        (tmp_path / "broken.png").write_bytes((tmp_path / "good.png").read_bytes()[:40])
        found = calibration_set(tmp_path, 2, TEE_TINY, SIZE)
        assert found.photos == ("good.png",)
        assert found.skipped == ("broken.png", "notes.txt")

    def test_the_hash_tells_one_set_of_photos_from_another(self, tmp_path):
        save_photo(tmp_path / "a.png", seed=1)
        first = calibration_set(tmp_path, 1, TEE_TINY, SIZE).sha256
        assert calibration_set(tmp_path, 1, TEE_TINY, SIZE).sha256 == first
        save_photo(tmp_path / "a.png", seed=2)
        assert calibration_set(tmp_path, 1, TEE_TINY, SIZE).sha256 != first

    def test_a_photo_of_one_pixel_has_all_views(self, tmp_path):
        Image.new("RGB", (1, 1)).save(tmp_path / "dot.png")
        assert len(calibration_set(tmp_path, VIEWS, TEE_TINY, SIZE).samples) == VIEWS

    def test_mistakes(self, tmp_path):
        with pytest.raises(UserError, match="is not a folder"):
            calibration_set(tmp_path / "none", 1, TEE_TINY, SIZE)
        with pytest.raises(UserError, match="is empty"):
            calibration_set(tmp_path, 1, TEE_TINY, SIZE)
        (tmp_path / "notes.txt").write_text("no photo")
        with pytest.raises(UserError, match=r"no readable photo \(1 files"):
            calibration_set(tmp_path, 1, TEE_TINY, SIZE)
        save_photo(tmp_path / "a.png")
        with pytest.raises(UserError, match="--num-calibration-samples 7: 1 photos give at most 6"):
            calibration_set(tmp_path, 7, TEE_TINY, SIZE)

    def test_further_views_come_by_view_and_then_by_photo(self, tmp_path):
        for number in range(3):
            save_photo(tmp_path / f"{number}.png", seed=number)
        many = calibration_set(tmp_path, 8, TEE_TINY, SIZE).samples
        for number in range(3):
            alone = tmp_path / f"alone-{number}"
            alone.mkdir()
            save_photo(alone / "a.png", seed=number)
            expected = calibration_set(alone, VIEWS, TEE_TINY, SIZE).samples
            own = many[number::3]
            assert len(own) == (3, 3, 2)[number]
            assert all(torch.equal(one[0], other[0]) for one, other in zip(own, expected, strict=False))

    def test_no_more_files_are_read_than_are_needed(self, tmp_path):
        for number in range(3):
            save_photo(tmp_path / f"{number}.png", seed=number)
        (tmp_path / "9.png").write_text("would be skipped")
        found = calibration_set(tmp_path, 3, TEE_TINY, SIZE)
        assert (found.photos, found.skipped) == (("0.png", "1.png", "2.png"), ())

    def test_tells_how_far_it_is(self, tmp_path):
        for number in range(25):
            save_photo(tmp_path / f"{number:02}.png", seed=number)
        said: list[str] = []
        calibration_set(tmp_path, 25, TEE_TINY, SIZE, say=said.append)
        assert said == ["  10 photos read for calibration", "  20 photos read for calibration"]


class TestCopies:
    def test_six_copies_of_one_photo_are_one(self, tmp_path):
        save_photo(tmp_path / "0.png")
        for number in range(1, 6):
            # Other bytes, the same pixels.
            Image.open(tmp_path / "0.png").save(tmp_path / f"{number}.png", compress_level=number)
        found = calibration_set(tmp_path, VIEWS, TEE_TINY, SIZE)
        assert found.photos == ("0.png",)
        assert found.copies == tuple(f"{number}.png" for number in range(1, 6))
        with pytest.raises(UserError, match=r"samples 7: 1 photos give at most 6, 5 copies; add photos"):
            calibration_set(tmp_path, VIEWS + 1, TEE_TINY, SIZE)


class TestPhotoToSpare:
    def test_it_is_the_last_that_can_be_read_of_more_than_are_measured_on(self, tmp_path):
        for number in range(4):
            save_photo(tmp_path / f"{number}.png", seed=number)
        (tmp_path / "9.png").write_text("no photo")
        assert photo_to_spare(tmp_path, 3) == tmp_path / "3.png"

    def test_there_is_none_where_all_are_measured_on_or_nothing_is_there(self, tmp_path):
        save_photo(tmp_path / "0.png")
        assert [photo_to_spare(folder, 1) for folder in (tmp_path, tmp_path / "none", None)] == [None] * 3


class TestHeldOut:
    @pytest.mark.parametrize(
        ("name", "change", "options"),
        [
            ("same.png", lambda photo: photo, {}),
            ("again.jpg", lambda photo: photo, {"quality": 40}),
            ("small.png", lambda photo: photo.resize((200, 133)), {}),
            ("large.jpg", lambda photo: photo.resize((1600, 1067)), {}),
            ("mirrored.png", ImageOps.mirror, {}),
            ("flipped.png", ImageOps.flip, {}),
            ("turned.jpg", lambda photo: photo.rotate(90, expand=True), {"quality": 70}),
        ],
    )
    def test_the_verification_s_photo_is_left_out_whatever_it_is_called(self, tmp_path, name, change, options):
        change(load_photo(CHINA)).save(tmp_path / name, **options)
        save_photo(tmp_path / "other.png")
        found = calibration_set(tmp_path, 2, TEE_TINY, SIZE, held_out=CHINA)
        assert (found.photos, found.held_out) == (("other.png",), (name,))

    def test_so_are_its_bytes(self, tmp_path):
        (tmp_path / "renamed").write_bytes(CHINA.read_bytes())
        with pytest.raises(UserError, match=r"holds no photo but the verification's \(renamed\), .* --photo"):
            calibration_set(tmp_path, 1, TEE_TINY, SIZE, held_out=CHINA)

    def test_it_is_the_photo_that_was_asked_for_and_no_other(self, tmp_path):
        (tmp_path / "china.jpg").write_bytes(CHINA.read_bytes())
        assert calibration_set(tmp_path, 1, TEE_TINY, SIZE, held_out=FLOWER).photos == ("china.jpg",)

    @pytest.mark.parametrize(("held_out", "other"), [(CHINA, "flower.jpg"), (FLOWER, "china.jpg")])
    def test_without_a_folder_it_is_never_calibrated_on(self, held_out, other):
        assert calibration_set(None, 1, TEE_TINY, SIZE, held_out=held_out).photos == (other,)

    @given(seeds=st.tuples(st.integers(0, 10_000), st.integers(0, 10_000)))
    @settings(max_examples=50, deadline=None)
    def test_photos_that_differ_are_told_apart(self, seeds):
        first, second = (
            thumbnail(Image.fromarray(np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)))
            for seed in seeds
        )
        assert alike(first, second) is (seeds[0] == seeds[1])

    def test_two_real_photos_are_told_apart(self):
        assert not alike(thumbnail(load_photo(CHINA)), thumbnail(load_photo(FLOWER)))


PEAK = """
import resource, sys
from pathlib import Path
from export.core.calibration import calibration_set
from minivlm.vision.tee_config import TEE_TINY
calibration_set(Path(sys.argv[1]), int(sys.argv[2]), TEE_TINY, TEE_TINY.image_size)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_memory_does_not_grow_with_the_number_of_photos(tmp_path):
    """In a process of its own, as the system counts it: 12 photos of 24 MB in all six views, against 2."""
    rng = np.random.default_rng(0)
    for number in range(12):
        tones = Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8))
        tones.resize((4000, 2000), Image.Resampling.NEAREST).save(tmp_path / f"{number:02}.png", compress_level=1)
    few = tmp_path / "few"
    few.mkdir()
    for number in range(2):
        (few / f"{number}.png").write_bytes((tmp_path / f"{number:02}.png").read_bytes())

    def peak(folder: Path, count: int) -> int:
        command = [sys.executable, "-c", PEAK, str(folder), str(count)]
        root = Path(__file__).parents[3]
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=root)
        return int(done.stdout) * (1 if sys.platform == "darwin" else 1024)

    samples = (12 - 2) * VIEWS * 3 * SIZE[0] * SIZE[1] * 4  # bytes of what is kept on purpose
    assert peak(tmp_path, 12 * VIEWS) - peak(few, 2 * VIEWS) < samples + 24e6
