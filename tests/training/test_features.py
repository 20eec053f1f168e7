"""Regions that are kept for training are those that the detector finds, rounded to float16."""

import pickle
from pathlib import Path

import pytest
import torch

from minivlm.errors import UserError
from minivlm.images.photos import load_photo
from minivlm.training import features
from minivlm.training.features import RegionFolder
from tests.tiny import save_photo
from tests.training.language.made import DETECTOR, MadeUpPipeline, keep, photos, regions_by_colour, untold


def test_what_is_read_is_what_was_found_with_features_in_float16(tmp_path: Path) -> None:
    pictures = photos(tmp_path / "images", 3)
    kept = keep(tmp_path / "kept", pictures)
    for picture, place in kept.places(pictures).items():
        read, found = kept.read(place), regions_by_colour(load_photo(picture))
        assert read.photo_size == found.photo_size
        assert read.features.dtype == torch.float32
        assert torch.equal(read.features, found.features.half().float())  # IEEE's rounding, nothing else
        for name in ("boxes", "scores", "tags", "geometry"):
            assert torch.equal(getattr(read, name), getattr(found, name)), name
            assert getattr(read, name).dtype == getattr(found, name).dtype


def test_what_is_kept_is_not_found_again_and_new_pictures_are_added(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(features, "AT_A_TIME", 2)
    pictures, pipeline = photos(tmp_path / "images", 5), MadeUpPipeline()
    keep(tmp_path / "kept", pictures[:3], pipeline)
    assert (pipeline.found, len(list((tmp_path / "kept").iterdir()))) == (3, 2)
    kept = keep(tmp_path / "kept", pictures, pipeline)
    assert (pipeline.found, len(kept)) == (5, 5)
    keep(tmp_path / "kept", pictures, pipeline)
    assert pipeline.found == 5


def test_an_interruption_costs_one_file_at_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "AT_A_TIME", 2)

    class Interrupted(MadeUpPipeline):
        def regions_of(self, photo):
            if self.found == 3:
                raise KeyboardInterrupt
            return super().regions_of(photo)

    pictures = photos(tmp_path / "images", 5)
    with pytest.raises(KeyboardInterrupt):
        keep(tmp_path / "kept", pictures, Interrupted())
    assert len(RegionFolder(tmp_path / "kept", DETECTOR)) == 2
    pipeline = MadeUpPipeline()
    assert len(keep(tmp_path / "kept", pictures, pipeline)) == 5
    assert pipeline.found == 3


def test_a_picture_that_lies_elsewhere_is_the_same_and_one_that_changed_is_another(tmp_path: Path) -> None:
    pictures = photos(tmp_path / "images", 2)
    kept = keep(tmp_path / "kept", pictures)
    moved = pictures[0].rename(tmp_path / "moved.png")
    assert kept.places([moved]) == {moved: (0, 0)}
    save_photo(pictures[1], seed=9)
    with pytest.raises(UserError, match=r"has no regions of .*1\.png.*minivlm train features"):
        kept.places(pictures[1:])


def test_another_detector_s_regions_are_refused(tmp_path: Path) -> None:
    keep(tmp_path / "kept", photos(tmp_path / "images", 1))
    with pytest.raises(UserError, match="another detector"):
        RegionFolder(tmp_path / "kept", "e" * 64)


@pytest.mark.parametrize("left", [0, 9, 200])
def test_a_damaged_file_is_refused(tmp_path: Path, left: int) -> None:
    keep(tmp_path / "kept", photos(tmp_path / "images", 1))
    path = next((tmp_path / "kept").iterdir())
    path.write_bytes(path.read_bytes()[:left])
    with pytest.raises(UserError, match="is damaged"):
        RegionFolder(tmp_path / "kept", DETECTOR)


def test_no_folder_and_a_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is no folder"):
        RegionFolder(tmp_path / "nothing", DETECTOR)
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="is a file"):
        keep(tmp_path / "file", photos(tmp_path / "images", 1))


def test_features_beyond_float16_are_refused(tmp_path: Path) -> None:
    class Loud(MadeUpPipeline):
        def regions_of(self, photo):
            found = super().regions_of(photo)
            found.features[0, 0] = 70_000.0  # float16 ends at 65,504
            return found

    with pytest.raises(UserError, match="exceed float16"):
        keep(tmp_path / "kept", photos(tmp_path / "images", 1), Loud())


def test_a_worker_gets_a_folder_of_its_own_to_read(tmp_path: Path) -> None:
    pictures = photos(tmp_path / "images", 1)
    kept = keep(tmp_path / "kept", pictures)
    place = kept.places(pictures, untold)[pictures[0]]
    first = kept.read(place)
    copied = pickle.loads(pickle.dumps(kept))
    assert torch.equal(copied.read(place).features, first.features)
