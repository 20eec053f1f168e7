"""A JSON file gives its one object, or one line that says why it is none."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minivlm.errors import UserError
from minivlm.storage.json_files import parse_object, read_object

NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
WHOLE = st.integers(-(10**298), 10**298)
PLAIN = st.none() | st.booleans() | WHOLE | st.floats(allow_nan=False, allow_infinity=False) | NAMES
VALUES = st.recursive(PLAIN, lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner), max_leaves=10)


def read(path: Path) -> dict[str, Any]:
    return read_object(path, "a list of things", "write it again")


@given(st.dictionaries(NAMES, VALUES))
def test_every_object_that_json_can_hold_is_read(content: dict[str, Any]) -> None:
    assert parse_object(json.dumps(content), "text", "an object", "write it again") == content


@given((PLAIN | st.lists(VALUES)).map(json.dumps) | st.text().filter(lambda text: "{" not in text))
def test_any_other_text_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(UserError, match=r"^the text is not an object, as it is .*\Z"):
        parse_object(text, "the text", "an object", "write it again")


@pytest.mark.parametrize("encode", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_marks_and_line_ends_of_other_systems_are_no_content(tmp_path: Path, encode: str, end: str) -> None:
    text = '{\n "name": "größe",\n "size": 3\n}\n'
    (tmp_path / "file").write_bytes(text.replace("\n", end).encode(encode))
    assert read(tmp_path / "file") == {"name": "größe", "size": 3}


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"[1]", "no JSON object"),
        (b"null", "no JSON object"),
        (b'{"a": 1} {}', "not JSON"),
        (b'{"a": 1, "b": {"c": 1, "c": 2}}', "the key 'c' is there twice"),
        (b'{"a": NaN}', "NaN is no number"),
        (b'{"a": -Infinity}', "-Infinity is no number"),
        (b'{"a": 1e999}', "1e999 is too large a number"),
        (b'{"a": ' + b"9" * 5000 + b"}", "too large a number"),
        (b'{"a": "\\ud800"}', "half a surrogate pair"),
        (b'{"a": ' + b"[" * 65 + b"]" * 65 + b"}", "nested too deep"),
        (b'{"a":' * 100_000, "nested too deep"),
        (b'{"a": "\xff"}', "not UTF-8 at byte 7"),
        ('{"a": 1}'.encode("utf-16"), "UTF-16"),
        (b"\x00" * 100, "not JSON"),
    ],
)
def test_what_is_no_object_is_refused_with_the_reason(tmp_path: Path, content: bytes, complaint: str) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(UserError, match=complaint) as caught:
        read(tmp_path / "file")
    assert str(tmp_path / "file") in str(caught.value)
    assert len(str(caught.value)) < 400
    assert "\n" not in str(caught.value)


class TestPlaces:
    """What is at the path is said as it is."""

    def test_nothing(self, tmp_path: Path) -> None:
        with pytest.raises(
            UserError, match=r"cannot read a list of things .*thing \(No such file .*\): write it again"
        ):
            read(tmp_path / "thing")

    def test_a_folder(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match="is a folder and should be a list of things"):
            read(tmp_path)

    def test_a_pipe_that_nobody_writes_to(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(UserError, match="no regular file"):
            read(tmp_path / "pipe")

    def test_a_link_to_itself(self, tmp_path: Path) -> None:
        (tmp_path / "link").symlink_to(tmp_path / "link")
        with pytest.raises(UserError, match="link"):
            read(tmp_path / "link")

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
    def test_a_file_without_permission(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("{}")
        (tmp_path / "file").chmod(0)
        with pytest.raises(UserError, match="no permission to read"):
            read(tmp_path / "file")

    def test_a_file_without_end(self, tmp_path: Path) -> None:
        with (tmp_path / "file").open("wb") as file:
            file.truncate(1 << 40)  # takes no room on the disk
        with pytest.raises(UserError, match="larger than 64 MiB"):
            read(tmp_path / "file")
