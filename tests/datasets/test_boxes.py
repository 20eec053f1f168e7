"""Detection JSON: what is read, and what is left out by name."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from minivlm.datasets.boxes import Box, BoxData, read_boxes
from minivlm.datasets.pictures import PictureFolder
from minivlm.errors import UserError
from tests.datasets.made import box_data, found, pictures, write


def read(folder: Path, content: Any) -> BoxData:
    pictures(folder, "a.png", "b.png")
    return read_boxes(write(folder / "boxes.json", content), PictureFolder(folder))


def annotated(**changed: Any) -> dict[str, Any]:
    """Return data with one more annotation, of picture 2."""
    content = box_data()
    entry = {"id": 9, "image_id": 2, "category_id": 7, "bbox": [1, 2, 3, 4], **changed}
    content["annotations"].append(entry)
    return content


def test_boxes_are_corners_and_classes_places_in_the_list(tmp_path: Path) -> None:
    data = read(tmp_path, box_data())
    assert data.classes == ("cat", "dog")
    first, second = data.examples
    assert (first.id, first.picture, first.size) == ("1", tmp_path / "a.png", (60, 80))
    assert first.boxes == (
        Box(corners=(10.0, 5.0, 30.0, 35.0), label=0),
        Box(corners=(40.0, 5.0, 60.0, 35.0), label=1, crowd=True),
    )
    assert second.boxes[0].corners == (0.0, 0.0, 80.0, 60.0)
    assert dict(data.report.counts) == {"pictures": 2, "boxes": 3, "classes": 2, "attributes": 0}
    assert data.report.findings == ()


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"bbox": [1, 2, 0, 4]}, "boxes without area"),
        ({"bbox": [1, 2, 3, -4]}, "boxes without area"),
        ({"bbox": [80, 2, 3, 4]}, "boxes outside of the picture"),
        ({"bbox": [1, -9, 3, 4]}, "boxes outside of the picture"),
        ({"bbox": [1, 2, 3]}, "boxes that are not four numbers"),
        ({"bbox": [1, 2, 3, "4"]}, "boxes that are not four numbers"),
        ({"bbox": [1, 2, 3, float("nan")]}, "boxes that are not four numbers"),
        ({"bbox": [1, 2, 3, 10**400]}, "boxes that are not four numbers"),
        ({"bbox": None}, "boxes that are not four numbers"),
        ({"category_id": 8}, "boxes of classes that are not listed"),
        ({"category_id": [7]}, "boxes of classes that are not listed"),
        ({"image_id": 5}, "boxes of pictures that are not listed or were left out"),
        ({"id": 3}, "boxes whose id is there twice"),
    ],
)
def test_a_broken_box_is_counted_named_and_left_out(tmp_path: Path, changed: dict[str, Any], what: str) -> None:
    data = read(tmp_path, annotated(**changed))
    assert found(data.report) == {what: (1, True)}
    assert str(changed.get("id", 9)) in data.report.findings[0].first[0]
    assert data.examples == read(tmp_path, box_data()).examples


def test_a_box_over_the_edge_is_cut_and_noted_but_not_for_rounding(tmp_path: Path) -> None:
    data = read(tmp_path, annotated(bbox=[70, -5, 20, 15]))
    assert data.examples[1].boxes[1].corners == (70.0, 0.0, 80.0, 10.0)
    assert found(data.report) == {"boxes cut at the picture's edge": (1, False)}
    data = read(tmp_path, annotated(bbox=[70, 0, 10.3, 15]))
    assert data.examples[1].boxes[1].corners == (70.0, 0.0, 80.0, 15.0)
    assert data.report.findings == ()


@pytest.mark.parametrize(
    ("entry", "what", "left_out"),
    [
        ({"id": 1, "file_name": "b.png"}, "pictures whose id is there twice", True),
        ({"id": 3, "file_name": "missing.png"}, "examples whose picture is not in the folder", True),
        ({"id": 3, "file_name": "../outside.png"}, "examples whose picture is not in the folder", True),
        ({"file_name": "b.png"}, "pictures without id or file_name", True),
        ({"id": 3}, "pictures without id or file_name", True),
        ("a.png", "entries that are no JSON object", True),
        ({"id": 3, "file_name": "b.png"}, "pictures without boxes", False),
    ],
)
def test_a_broken_picture_entry_is_counted_and_named(tmp_path: Path, entry: Any, what: str, left_out: bool) -> None:
    pictures(tmp_path.parent, "outside.png")
    content = box_data()
    content["images"].append(entry)
    data = read(tmp_path, content)
    assert found(data.report) == {what: (1, left_out)}
    assert data.examples[:2] == read(tmp_path, box_data()).examples


def test_attributes_are_names_or_ids_of_the_list(tmp_path: Path) -> None:
    content = annotated(attributes=["red", 2, "red", 5, "unheard-of"])
    content["attributes"] = [{"id": 1, "name": "red"}, {"id": 2, "name": "old"}]
    data = read(tmp_path, content)
    assert data.examples[1].boxes[1].attributes == ("red", "old")
    assert data.attributes == ("red", "old")
    assert found(data.report) == {"attributes that are not listed": (2, True)}


def test_without_a_list_attributes_are_names(tmp_path: Path) -> None:
    data = read(tmp_path, annotated(attributes=["red", 2, "old"]))
    assert data.examples[1].boxes[1].attributes == ("red", "old")
    assert data.attributes == ("old", "red")  # in an order that no box decides
    assert found(data.report) == {"attributes that are not listed": (1, True)}


def test_two_ids_of_one_name_are_one_class(tmp_path: Path) -> None:
    data = read(tmp_path, box_data(categories=[{"id": 7, "name": "cat"}, {"id": 3, "name": "cat"}]))
    assert data.classes == ("cat",)
    assert {box.label for example in data.examples for box in example.boxes} == {0}


def test_many_of_a_kind_are_counted_and_five_named(tmp_path: Path) -> None:
    content = box_data()
    content["annotations"] += [
        {"id": 100 + number, "image_id": 1, "category_id": 7, "bbox": [0, 0, 0, 0]} for number in range(8)
    ]
    line = read(tmp_path, content).report.lines[1]
    assert line == "  left out: 8 boxes without area (100, 101, 102, 103, 104, ...)"


@pytest.mark.parametrize("key", ["images", "annotations", "categories"])
@pytest.mark.parametrize("value", [None, {}, "list"])
def test_a_file_without_its_lists_is_refused_in_one_line(tmp_path: Path, key: str, value: Any) -> None:
    with pytest.raises(UserError, match=f'boxes.json is not detection JSON .*no list "{key}"') as caught:
        read(tmp_path, box_data(**{key: value}))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[1]", "[" * 100_000, "\ufeff{", '{"a": 1' + "0" * 5000 + "}"])
def test_a_file_that_is_no_json_object_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "boxes.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=r"boxes.json is not detection JSON") as caught:
        read_boxes(path, PictureFolder(tmp_path))
    assert "\n" not in str(caught.value)


ANY_VALUE = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.lists(st.floats())
KEYS = ["id", "image_id", "category_id", "bbox", "name", "file_name", "width", "height", "iscrowd", "attributes"]
ANY_ENTRIES = st.lists(st.dictionaries(st.sampled_from(KEYS), ANY_VALUE, max_size=6) | ANY_VALUE, max_size=3)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lists=st.fixed_dictionaries(dict.fromkeys(("images", "annotations", "categories", "attributes"), ANY_ENTRIES)))
def test_no_entries_whatever_make_the_reader_fail(tmp_path: Path, lists: dict[str, Any]) -> None:
    whole = box_data()
    content = {key: [*whole.get(key, []), *entries] for key, entries in lists.items()}
    with suppress(UserError):
        data = read(tmp_path, content)
        assert len(data.examples) >= 2
        for box in (box for example in data.examples for box in example.boxes):
            assert box.corners[0] < box.corners[2]
            assert box.corners[1] < box.corners[3]
