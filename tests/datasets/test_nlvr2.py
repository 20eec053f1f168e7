"""NLVR2's lines and its own naming of pictures."""

from pathlib import Path
from typing import Any

import pytest

from minivlm.datasets.nlvr2 import StatementData, group_of, read_statements
from minivlm.datasets.pictures import PictureFolder
from minivlm.errors import UserError
from tests.datasets.made import found, pictures, write_lines

LINES = [
    {"identifier": "dev-850-0-0", "sentence": "Both show a dog.", "label": "True"},
    {"identifier": "dev-850-1-0", "sentence": "Both show a dog.", "label": "False"},
    {"identifier": "own", "sentence": "One is red.", "label": True, "left": "x.png", "right": "dev/y.png"},
]


def read(folder: Path, entries: list[Any]) -> StatementData:
    pairs = [f"dev/dev-850-{pair}-img{side}.png" for pair in (0, 1) for side in (0, 1)]
    pictures(folder, *pairs, "x.png", "dev/y.png")
    return read_statements(write_lines(folder / "nlvr2.jsonl", entries), PictureFolder(folder))


def test_pictures_are_found_by_nlvr2_s_names_or_by_those_given(tmp_path: Path) -> None:
    data = read(tmp_path, LINES)
    assert [(example.left.name, example.right.name) for example in data.examples] == [
        ("dev-850-0-img0.png", "dev-850-0-img1.png"),
        ("dev-850-1-img0.png", "dev-850-1-img1.png"),
        ("x.png", "y.png"),
    ]
    assert [example.label for example in data.examples] == [True, False, True]
    assert dict(data.report.counts) == {"statements": 3, "true": 2, "false": 1, "pictures": 6}
    assert data.report.findings == ()


def test_pairs_of_one_set_and_sentence_are_a_group() -> None:
    assert group_of("dev-850-0-0") == group_of("dev-850-1-0") == "dev-850-0"
    assert group_of("dev-850-0-1") == "dev-850-1"
    assert group_of("own") == "own"


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ({**LINES[0], "identifier": None}, "statements without identifier"),
        ({**LINES[0], "sentence": " ."}, "statements without words"),
        ({**LINES[0], "label": "maybe"}, "statements whose label is neither true nor false"),
        ({**LINES[0], "label": 1}, "statements whose label is neither true nor false"),
        ({**LINES[0], "identifier": "dev-851-0-0"}, "examples whose picture is not in the folder"),
        (LINES[0], "statements whose identifier is there twice"),
        ([1], "lines that are no JSON object"),
    ],
)
def test_a_broken_line_is_left_out_by_name(tmp_path: Path, line: Any, what: str) -> None:
    data = read(tmp_path, [*LINES, line])
    assert found(data.report) == {what: (1, True)}
    assert data.examples == read(tmp_path, LINES).examples


def test_a_missing_label_is_noted(tmp_path: Path) -> None:
    data = read(tmp_path, [{**LINES[0], "label": None}])
    assert data.examples[0].label is None
    assert found(data.report) == {"statements without label": (1, False)}


def test_a_file_without_any_object_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nlvr2.jsonl is not JSON lines .*none of its lines"):
        read(tmp_path, [1, 2])
