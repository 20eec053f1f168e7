"""Records are kept in a file that goes on only with what made it."""

from pathlib import Path

import pytest

from minivlm.errors import UserError
from minivlm.evaluation.records import open_records, read_results


def test_a_file_goes_on_only_with_what_made_it(tmp_path: Path) -> None:
    path = tmp_path / "kept.jsonl"
    open_records(path, {"task": "vqa", "data": "a"}, resume=False).add({"id": "1", "answer": "yes"})
    with pytest.raises(UserError, match=r"kept.jsonl is there: go on with it by --resume"):
        open_records(path, {"task": "vqa", "data": "a"}, resume=False)
    with pytest.raises(UserError, match=r'its data is "a", and now it is "b"'):
        open_records(path, {"task": "vqa", "data": "b"}, resume=True)
    path.write_text('{"task": "vqa"}\n{"id": "1"}\n')
    with pytest.raises(UserError, match="first line does not say so"):
        open_records(path, {"task": "vqa"}, resume=True)


def test_numbers_that_are_none_are_never_kept(tmp_path: Path) -> None:
    records = open_records(tmp_path / "kept.jsonl", {"task": "vqa"}, resume=False)
    with pytest.raises(UserError, match="probability is nan"):
        records.add({"id": "1", "probability": float("nan")})
    assert read_results(tmp_path / "kept.jsonl").records == {}
