"""Calibration photos, and which modules an int8 recipe leaves alone."""

import pytest
import torch
from PIL import Image

from export.catalogue import regions_method
from export.methods import Method
from export.recipe import VIEWS, Recipe, calibration_set
from minivlm.errors import UserError
from minivlm.photos import default_photo
from minivlm.registry import create_model
from minivlm.vision.tee import TEE_TINY
from tests.tiny import save_photo

SIZE = TEE_TINY.image_size


class TestCalibrationSet:
    def test_without_a_folder_is_the_photo_that_the_proof_does_not_use(self):
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


class TestRecipe:
    def test_a_detector_is_calibrated_on_photos_and_anything_else_on_its_example(self):
        photos = calibration_set(None, 2, TEE_TINY, SIZE)
        recipe = Recipe("int8", calibration=photos)
        regions = regions_method("forward", create_model("tee-tiny"), None, default_photo())
        other = Method("forward", torch.nn.Identity(), {"x": torch.zeros(1)}, ("y",))
        assert recipe.samples(regions) == photos.samples
        assert recipe.samples(other) == [other.example]
