"""Kept features are used exactly when they are what would be computed again."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from minivlm.errors import UserError
from minivlm.inference.features import ATTRIBUTES, TENSORS, FeatureStore
from minivlm.inference.photo_regions import PhotoRegions
from minivlm.storage.files import sha256
from tests.tiny import CONFIG, made_up_regions, save_photo

DETECTOR = "d" * 64


class Detector:
    """Counts how often it is asked."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> PhotoRegions:
        self.calls += 1
        return made_up_regions(seed=4)


class Kept:
    """A store with one photo in it, and all that a test wants to know about it."""

    def __init__(self, folder: Path) -> None:
        self.notes: list[str] = []
        self.detector = Detector()
        self.photo = save_photo(folder / "photo.png")
        self.store = self.open(folder / "kept")
        self.store.get(self.photo, self.detector)
        self.entry = self.store.entry(sha256(self.photo))

    def open(self, folder: Path, detector: str = DETECTOR) -> FeatureStore:
        return FeatureStore(folder, CONFIG.vision, detector, self.notes.append)

    def get(self) -> PhotoRegions:
        return self.store.get(self.photo, self.detector)

    def assert_replaced(self) -> None:
        """The next call computes and says so once; the one after that finds a good entry."""
        assert_equal(self.get(), made_up_regions(seed=4))
        assert self.detector.calls == 2
        assert len(self.notes) == 1
        assert "photo.png" in self.notes[0]
        assert "\n" not in self.notes[0]
        assert_equal(self.get(), made_up_regions(seed=4))
        assert self.detector.calls == 2


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept(tmp_path)


def assert_equal(left: PhotoRegions, right: PhotoRegions) -> None:
    """Bit for bit."""
    assert left.photo_size == right.photo_size
    assert left.present.keys() == right.present.keys()
    for name in left.present:
        assert torch.equal(getattr(left, name), getattr(right, name)), name


def test_a_photo_is_computed_once(kept: Kept) -> None:
    assert_equal(kept.get(), made_up_regions(seed=4))
    assert_equal(kept.open(kept.entry.parent).get(kept.photo, kept.detector), made_up_regions(seed=4))
    assert kept.detector.calls == 1
    assert kept.notes == []


def test_the_photos_bytes_are_the_key_and_not_its_name(kept: Kept, tmp_path: Path) -> None:
    copy = tmp_path / "renamed.jpg"
    copy.write_bytes(kept.photo.read_bytes())
    kept.store.get(copy, kept.detector)
    assert kept.detector.calls == 1
    save_photo(kept.photo, seed=1)
    kept.get()
    assert kept.detector.calls == 2
    assert len(list(kept.entry.parent.iterdir())) == 2


def test_each_detector_has_entries_of_its_own(kept: Kept) -> None:
    other = kept.open(kept.entry.parent, detector="e" * 64)
    other.get(kept.photo, kept.detector)
    assert kept.detector.calls == 2
    kept.get()
    other.get(kept.photo, kept.detector)
    assert kept.detector.calls == 2
    assert kept.notes == []


def rewrite(kept: Kept, change: Callable[[dict[str, torch.Tensor], dict[str, str]], None]) -> None:
    with safe_open(kept.entry, framework="pt") as file:
        metadata = dict(file.metadata())
    tensors = load_file(kept.entry)
    change(tensors, metadata)
    save_file(tensors, kept.entry, metadata=metadata)


@pytest.mark.parametrize("key", ["format", "photo", "detector", "photo_size", "content"])
@pytest.mark.parametrize("value", [None, "", "0", "[1]", "[120, 161]", "e" * 64])
def test_metadata_that_differs_is_never_used(kept: Kept, key: str, value: str | None) -> None:
    def change(_: dict[str, torch.Tensor], metadata: dict[str, str]) -> None:
        if value is None:
            del metadata[key]
        else:
            metadata[key] = value

    rewrite(kept, change)
    kept.assert_replaced()


@pytest.mark.parametrize("name", TENSORS + ATTRIBUTES)
@pytest.mark.parametrize("change", ["gone", "narrower", "fewer rows", "other type", "other values"])
def test_tensors_that_differ_are_never_used(kept: Kept, name: str, change: str) -> None:
    def apply(tensors: dict[str, torch.Tensor], _: dict[str, str]) -> None:
        tensor = tensors.pop(name)
        match change:
            case "narrower":
                tensors[name] = tensor[..., :-1].clone()
            case "fewer rows":
                tensors[name] = tensor[:-1].clone()
            case "other type":
                tensors[name] = tensor.to(torch.float64)
            case "other values":
                tensors[name] = tensor.roll(1, 0)

    rewrite(kept, apply)
    kept.assert_replaced()


def test_an_entry_that_is_no_safetensors_file_is_never_used(kept: Kept) -> None:
    kept.entry.write_bytes(b"")
    kept.assert_replaced()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    return Kept(tmp_path_factory.mktemp("shared"))


@settings(max_examples=60, deadline=None)
@given(position=st.floats(0.0, 0.999999), bit=st.integers(0, 7), cut=st.booleans())
def test_no_flipped_bit_and_no_truncation_is_ever_used(shared: Kept, position: float, bit: int, cut: bool) -> None:
    shared.store.get(shared.photo, shared.detector)
    good = shared.entry.read_bytes()
    at = int(position * len(good))
    damaged = good[:at] if cut else good[:at] + bytes([good[at] ^ (1 << bit)]) + good[at + 1 :]
    shared.entry.write_bytes(damaged)
    assert_equal(shared.get(), made_up_regions(seed=4))


def test_a_photo_that_cannot_be_read_says_why_and_leaves_no_entry(kept: Kept, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        kept.store.get(tmp_path / "missing.jpg", kept.detector)
    with pytest.raises(UserError, match="is a directory"):
        kept.store.get(tmp_path, kept.detector)

    def fail() -> PhotoRegions:
        raise UserError("damaged")

    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"broken")
    with pytest.raises(UserError, match="damaged"):
        kept.store.get(broken, fail)
    assert list(kept.entry.parent.iterdir()) == [kept.entry]


def test_a_file_in_the_folders_place_is_refused(kept: Kept) -> None:
    with pytest.raises(UserError, match="is a file"):
        kept.open(kept.entry)


def test_regions_of_a_photo_without_any_are_kept_too(kept: Kept, tmp_path: Path) -> None:
    empty = replace(made_up_regions(rows=0, valid=0), photo_size=(1, 1))
    other = save_photo(tmp_path / "other.png", seed=3)
    kept.store.get(other, lambda: empty)
    assert_equal(kept.store.get(other, kept.detector), empty)


def test_regions_without_attributes_are_kept_without_them(kept: Kept, tmp_path: Path) -> None:
    """As artifacts of earlier versions give them."""
    plain = replace(made_up_regions(seed=5), attributes=None, attribute_scores=None)
    other = save_photo(tmp_path / "other.png", seed=3)
    kept.store.get(other, lambda: plain)
    assert_equal(kept.store.get(other, kept.detector), plain)
    assert kept.detector.calls == 1
