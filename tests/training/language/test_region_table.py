"""Regions in a table beside the model: batches that bring numbers become those that bring vectors."""

import pickle
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from minivlm.language.layout import CaptionContext, TransformerInputs
from minivlm.training.features import RegionFolder
from minivlm.training.language.captioning import WholeCaptions
from minivlm.training.language.judging import MatchExamples, StatementExamples
from minivlm.training.language.known import KnownPictures
from minivlm.training.language.region_table import RegionTable, has_room
from minivlm.training.stage import Examples
from tests.training.language.made import ids, known, seeded


@pytest.fixture(scope="module")
def from_files(tmp_path_factory: pytest.TempPathFactory) -> KnownPictures:
    return known(tmp_path_factory.mktemp("known"), count=4)


@pytest.fixture(scope="module")
def from_table(from_files: KnownPictures) -> KnownPictures:
    assert isinstance(from_files.regions, RegionFolder)
    return replace(from_files, regions=RegionTable(from_files.regions, from_files.places.values()))


def captions(pictures: KnownPictures) -> WholeCaptions:
    return WholeCaptions(known=pictures, described=[(path, (ids("a dog"), ids("two"))) for path in pictures.places])


def pairs(pictures: KnownPictures) -> MatchExamples:
    return MatchExamples(known=pictures, described=[(path, (ids("a dog"),)) for path in pictures.places])


@pytest.mark.parametrize("made", [captions, pairs])
def test_a_filled_batch_holds_what_files_hold(made, from_files: KnownPictures, from_table: KnownPictures) -> None:
    """Bit for bit: what is kept is float16 in both."""

    def batch(examples: Examples) -> object:
        return examples.collate([examples.example(row, seeded(row), 0.0) for row in range(len(examples))])

    wanted, found = batch(made(from_files)), from_table.filled(batch(made(from_table)))
    parts = [part for part in (vars(wanted) | vars(found)) if isinstance(vars(found)[part], tuple)]
    assert parts
    for part in parts:
        one, other = vars(wanted)[part], vars(found)[part]
        assert isinstance(other, (TransformerInputs, CaptionContext))
        for name in one._fields:
            theirs, ours = getattr(one, name), getattr(other, name)
            if name == "regions":  # geometry is kept in float32, and in the table in float16
                torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-3)
                assert torch.equal(ours[..., :-6], theirs[..., :-6])
            else:
                assert torch.equal(ours, theirs)


def test_on_the_way_a_region_is_one_number(from_table: KnownPictures) -> None:
    examples = captions(from_table)
    batch = examples.collate([examples.example(row, seeded(), 0.0) for row in range(4)])
    assert batch.context.regions.shape[2] == 1
    valid = batch.context.mask[:, 0, -batch.context.regions.shape[1] :] == 0.0
    numbers = batch.context.regions[..., 0][valid]
    assert numbers.tolist() == list(range(1, len(numbers) + 1))  # no row is used twice, and none is left out
    assert not batch.context.regions[..., 0][~valid].any()  # what fills up is the row of zeros


def test_worker_processes_do_not_get_the_vectors(from_table: KnownPictures) -> None:
    assert isinstance(from_table.regions, RegionTable)
    whole, there = from_table.regions, pickle.loads(pickle.dumps(from_table.regions))
    place = next(iter(from_table.places.values()))
    assert torch.equal(there.read(place).vectors, whole.read(place).vectors)
    assert vars(whole)["_vectors"].numel() > 0
    assert vars(there)["_vectors"].numel() == 0


def test_without_an_accelerator_files_are_read(from_files: KnownPictures, monkeypatch: pytest.MonkeyPatch) -> None:
    like = from_files.look(next(iter(from_files.places)))
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda check_available: None)
    assert not has_room(1, like)


def test_a_table_takes_at_most_half_of_what_is_free(from_files: KnownPictures, monkeypatch: pytest.MonkeyPatch) -> None:
    like = from_files.look(next(iter(from_files.places)))
    table = 100 * like.vectors.numel() * 2  # bytes of 100 pictures in float16
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda check_available: torch.device("cuda"))
    monkeypatch.setattr(torch.accelerator, "get_memory_info", lambda: (2 * table, 4 * table))
    assert has_room(100, like)
    assert not has_room(101, like)


def test_a_picture_that_is_told_of_twice_is_in_the_table_once(from_files: KnownPictures, tmp_path: Path) -> None:
    assert isinstance(from_files.regions, RegionFolder)
    places = list(from_files.places.values())
    once, twice = (RegionTable(from_files.regions, each) for each in (places, places * 2))
    assert once.read(places[-1]).vectors.tolist() == twice.read(places[-1]).vectors.tolist()


def test_statements_bring_two_pictures(from_files: KnownPictures, from_table: KnownPictures) -> None:
    from minivlm.datasets.nlvr2 import StatementExample

    left, right = list(from_files.places)[:2]
    one = StatementExample(id="1", group="1", sentence="a dog", left=left, right=right, label=True)

    def batch(pictures: KnownPictures) -> object:
        examples = StatementExamples(known=pictures, statements=[one], texts=[ids("a dog")])
        return examples.collate([examples.example(0, seeded(), 0.0)])

    wanted, found = batch(from_files), from_table.filled(batch(from_table))
    for side in ("left", "right"):
        torch.testing.assert_close(getattr(found, side).regions, getattr(wanted, side).regions, rtol=1e-3, atol=1e-3)
