"""What the Kotlin and Swift cores are held against is what Python computes today."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fixtures import (
    make_caption_fixture,
    make_layout_fixture,
    make_pieces_fixture,
    make_regions_fixture,
    make_tokenizer_fixture,
)


@pytest.mark.parametrize(
    ("folder", "write"),
    [
        (make_tokenizer_fixture.FOLDER, make_tokenizer_fixture.write),
        (make_layout_fixture.FOLDER, make_layout_fixture.write),
        (make_caption_fixture.FOLDER, make_caption_fixture.write),
        (make_regions_fixture.FOLDER, make_regions_fixture.write),
        (make_pieces_fixture.FOLDER, make_pieces_fixture.write),
    ],
    ids=["tokenizer", "layout", "caption", "regions", "pieces"],
)
def test_the_script_writes_what_is_stored(folder: Path, write: Callable[[Path], None], tmp_path: Path) -> None:
    write(tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(file.name for file in folder.iterdir())
    for file in tmp_path.iterdir():
        assert file.read_bytes() == (folder / file.name).read_bytes(), (
            f"run tests/fixtures/make_{folder.name}_fixture.py"
        )


def test_the_recorded_captions_are_what_their_logits_say() -> None:
    """Expected: read off the table by eye. The best token of each step, and what the length limit cuts."""
    captions = {
        "a sentence": [2, 5, 6, 7, 3],
        "nothing to say": [2, 3],
        "it never ends": [2, 5, 4, *[9] * 16, 3],
        "negative and large logits": [2, 10, 1, 3],
    }
    for name, token_ids in captions.items():
        made = make_caption_fixture.case(name, make_caption_fixture.MODELS[name], max_length=20)
        assert made["token_ids"] == token_ids


def test_attributes_go_before_tags_where_there_are_names_of_both() -> None:
    """Expected: written down by hand; attribute 1 is the first name, 0 is none."""
    assert make_regions_fixture.case("", [0, 1, 2], [1, 0, 2])["phrases"] == [
        "red dog",
        "traffic light",
        "very old Café",
    ]
    assert make_regions_fixture.case("", [0], [1], ())["phrases"] == ["dog"]
    assert make_regions_fixture.case("", [0], None)["phrases"] == ["dog"]
