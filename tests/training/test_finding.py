"""Regions of many pictures: those that each has alone."""

from pathlib import Path

import pytest
import torch

from minivlm.cli.main import main
from minivlm.errors import UserError
from minivlm.inference.backend import load_torch_backend
from minivlm.inference.pipeline import Pipeline
from minivlm.training import features, finding
from minivlm.training.features import RegionFolder, keep_regions
from minivlm.training.finding import BatchFinder, finder, keep_by_several, keep_here
from tests.tiny import NAME, save_photo


def untold(number: int, of: int) -> None:
    """Nobody wants to know."""


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    return [save_photo(tmp_path / f"{number}.png", seed=number) for number in range(5)]


def test_in_batches_are_those_of_each(pictures, monkeypatch):
    monkeypatch.setattr(finding, "AT_ONCE", 2)
    backend = load_torch_backend(NAME)
    found = list(BatchFinder(backend, backend.module.vision, torch.device("cpu"))(pictures))
    assert len(found) == 5
    for regions, picture in zip(found, pictures, strict=True):
        alone = Pipeline(backend).regions(picture)
        assert regions.photo_size == alone.photo_size
        assert torch.equal(regions.tags, alone.tags)
        # float32 through some 50 layers whose sums run in another order: 1.02e-4 was seen, of features up to 5.
        torch.testing.assert_close(regions.features, alone.features, rtol=0, atol=5e-4)
        torch.testing.assert_close(regions.boxes, alone.boxes, rtol=0, atol=1e-2)


def test_on_a_cpu_are_found_one_by_one(pictures):
    backend = load_torch_backend(NAME)
    if torch.accelerator.current_accelerator(check_available=True) is not None:
        pytest.skip("this machine has an accelerator")
    [found] = finder(backend)(pictures[:1])
    assert torch.equal(found.features, Pipeline(backend).regions(pictures[0]).features)


def test_by_several_processes_are_those_of_one(tmp_path, pictures, monkeypatch):
    monkeypatch.setattr(features, "AT_A_TIME", 2)
    main(["checkpoint", "random", str(tmp_path / "model"), "--model", NAME])
    detector, told = load_torch_backend(checkpoint=tmp_path / "model"), list[tuple[int, int]]()
    one, several = tmp_path / "one", tmp_path / "several"

    def tell(number: int, of: int) -> None:
        told.append((number, of))

    keep_regions(one, pictures, detector.detector_hash, keep_here(one, detector, tell), untold)
    assert told == [(number, 5) for number in range(1, 6)]
    told.clear()
    keep_regions(
        several, pictures, detector.detector_hash, keep_by_several(several, tmp_path / "model", 2, tell), untold
    )
    assert told == [(2, 5), (4, 5), (5, 5)]
    found, again = (RegionFolder(folder, detector.detector_hash) for folder in (one, several))
    for place, other in zip(found.places(pictures).values(), again.places(pictures).values(), strict=True):
        regions, same = found.read(place), again.read(other)
        # Another number of threads sums in another order; then both are rounded to float16.
        torch.testing.assert_close(regions.features, same.features, rtol=2e-3, atol=1e-3)
        assert torch.equal(regions.tags, same.tags)


def test_of_damaged_weights_are_refused(pictures):
    backend = load_torch_backend(NAME)
    backend.module.vision.box_head.fc2.weight.data.fill_(float("inf"))
    with pytest.raises(UserError, match="NaN or infinite"):
        list(BatchFinder(backend, backend.module.vision, torch.device("cpu"))(pictures))
