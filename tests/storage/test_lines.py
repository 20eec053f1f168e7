"""Lines at the end of files, whatever the end is."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from minivlm.storage import lines
from minivlm.storage.lines import append_line

LINE = json.dumps({"id": "é" * 10})


@pytest.mark.parametrize("block", [1, 7, 1 << 16])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(whole=st.integers(0, 3), cut=st.integers(0, len(LINE.encode()) - 1))
def test_what_was_cut_makes_room_for_the_next_line(tmp_path, monkeypatch, block, whole, cut):
    """Whatever the blocks are in which the end is looked for, and wherever the cut is, within a letter, too."""
    monkeypatch.setattr(lines, "BLOCK", block)
    path = tmp_path / "kept.jsonl"
    path.write_bytes((LINE + "\n").encode() * whole + LINE.encode()[:cut])
    append_line(path, "{}")
    assert path.read_text(encoding="utf-8") == (LINE + "\n") * whole + "{}\n"


def test_a_whole_line_gets_the_end_that_it_lacks(tmp_path):
    path = tmp_path / "kept.jsonl"
    path.write_text(LINE)
    append_line(path, "{}")
    assert path.read_text().splitlines() == [json.dumps({"id": "é" * 10}), "{}"]


def test_a_long_file_is_not_read_to_its_beginning(tmp_path):
    path = tmp_path / "kept.jsonl"
    path.write_bytes(b"\xff" * (lines.BLOCK + 10) + b"\n")
    append_line(path, "{}")
    assert path.read_bytes().endswith(b"\xff\n{}\n")
