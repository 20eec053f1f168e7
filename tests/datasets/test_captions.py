"""The three forms of captions are read alike, and what is broken in them is left out by name."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from minivlm.datasets.captions import CaptionData, read_captions
from minivlm.datasets.pictures import PictureFolder
from minivlm.errors import UserError
from tests.datasets.made import found, pictures, write

KARPATHY = {
    "images": [
        {
            "filepath": "val2014",
            "filename": "a.png",
            "cocoid": 11,
            "imgid": 0,
            "split": "test",
            "sentences": [{"raw": "A cat."}, {"raw": " Two cats. "}],
        },
        {"filepath": "train2014", "filename": "b.png", "cocoid": 12, "split": "train", "sentences": [{"raw": "A dog"}]},
    ],
    "dataset": "coco",
}
COCO = {
    "images": [{"id": 11, "file_name": "a.png"}, {"id": 12, "file_name": "b.png"}],
    "annotations": [
        {"id": 1, "image_id": 11, "caption": "A cat."},
        {"id": 2, "image_id": 12, "caption": "A dog"},
        {"id": 3, "image_id": 11, "caption": " Two cats. "},
    ],
}
PLAIN = [
    {"image": "a.png", "caption": ["A cat.", " Two cats. "]},
    {"image": "b.png", "caption": "A dog"},
]


def read(folder: Path, content: Any) -> CaptionData:
    pictures(folder, "val2014/a.png", "train2014/b.png")
    return read_captions(write(folder / "captions.json", content), PictureFolder(folder))


@pytest.mark.parametrize(
    ("content", "ids", "splits"),
    [
        (KARPATHY, ("11", "12"), ("test", "train")),
        (COCO, ("11", "12"), (None, None)),
        (PLAIN, ("a.png", "b.png"), (None, None)),
    ],
    ids=["karpathy", "coco", "plain"],
)
def test_every_form_gives_the_same_pictures_and_captions(
    tmp_path: Path, content: Any, ids: tuple[str, ...], splits: tuple[str | None, ...]
) -> None:
    data = read(tmp_path, content)
    assert tuple(example.id for example in data.examples) == ids
    assert tuple(example.split for example in data.examples) == splits
    assert [example.captions for example in data.examples] == [("A cat.", "Two cats."), ("A dog",)]
    assert [example.picture.name for example in data.examples] == ["a.png", "b.png"]
    assert dict(data.report.counts) | {"in split test": 1, "in split train": 1} == {
        "pictures": 2,
        "captions": 3,
        "in split test": 1,
        "in split train": 1,
    }
    assert data.report.findings == ()


@pytest.mark.parametrize(
    ("annotation", "what"),
    [
        ({"id": 4, "image_id": 11, "caption": "  ...!"}, "captions without words"),
        ({"id": 4, "image_id": 11, "caption": None}, "captions without words"),
        ({"id": 4, "image_id": 11, "caption": "half \ud800 a pair"}, "captions without words"),
        ({"id": 4, "image_id": 99, "caption": "a cat"}, "captions of pictures that are not listed or were left out"),
        ({"id": 3, "image_id": 11, "caption": "a cat"}, "captions whose id is there twice"),
        (["a cat"], "entries that are no JSON object"),
    ],
)
def test_a_broken_caption_is_left_out_by_name(tmp_path: Path, annotation: Any, what: str) -> None:
    data = read(tmp_path, {**COCO, "annotations": [*COCO["annotations"], annotation]})
    assert found(data.report) == {what: (1, True)}
    assert data.examples == read(tmp_path, COCO).examples


def test_a_picture_without_any_caption_is_left_out(tmp_path: Path) -> None:
    data = read(tmp_path, [*PLAIN, {"image": "val2014/a.png", "caption": []}, {"image": "gone.png", "caption": "gone"}])
    assert found(data.report) == {
        "pictures without captions": (1, True),
        "examples whose picture is not in the folder": (1, True),
    }


@pytest.mark.parametrize("content", [{}, {"images": 3}, "text", 3, None])
def test_another_form_is_refused_in_one_line(tmp_path: Path, content: Any) -> None:
    with pytest.raises(UserError, match=r"captions.json is not captions") as caught:
        read(tmp_path, content)
    assert "\n" not in str(caught.value)


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["image", "images", "id", "caption", "annotations", "sentences", "raw", "filename"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=ANY_JSON)
def test_no_json_whatever_makes_the_reader_fail_otherwise(tmp_path: Path, content: Any) -> None:
    folder = PictureFolder(tmp_path)
    with suppress(UserError):
        assert read_captions(write(tmp_path / "any.json", content), folder).examples == ()  # no picture is there
