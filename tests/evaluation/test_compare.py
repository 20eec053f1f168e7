"""Two results are compared example by example, over what both answered."""

from pathlib import Path

import pytest

from minivlm.errors import UserError
from minivlm.evaluation.compare import compare
from minivlm.evaluation.records import open_records
from tests.tiny import NAME


def results(path: Path, answers: dict[str, str], data: str = "same") -> Path:
    records = open_records(path, {"task": "vqa", "model": NAME, "data": data}, resume=False)
    for key, answer in answers.items():
        records.add({"id": key, "answer": answer, "people": ["yes"] * 10})
    return path


def test_two_results_are_compared_over_what_both_answered(tmp_path: Path) -> None:
    first = results(tmp_path / "first.jsonl", {str(key): "no" for key in range(40)})
    second = results(
        tmp_path / "second.jsonl", {str(key): "yes" if key < 30 else "no" for key in range(10, 45)}, "else"
    )
    found = compare(first, second)
    assert (found.difference.examples, found.difference.first) == (30, 0.0)
    assert found.difference.second == pytest.approx(20 / 30)
    assert found.difference.low > 0.0
    assert found.difference.verdict == "the second is better"
    assert [note[:30] for note in found.notes] == ["the data of the two differs: o", "15 results have no partner in "]


def test_captions_are_compared_by_the_references_of_what_both_answered(tmp_path: Path) -> None:
    said = {"1": "a red bus in the city", "2": "two dogs on the grass", "3": "a red cat in the house"}
    wanted = {key: [text.replace("red", "large"), "a small bus"] for key, text in said.items()}
    for name, keys in (("first", "12"), ("second", "123")):
        records = open_records(tmp_path / f"{name}.jsonl", {"task": "caption"}, resume=False)
        for key in keys:
            records.add({"id": key, "caption": said[key], "references": wanted[key]})
    found = compare(tmp_path / "first.jsonl", tmp_path / "second.jsonl")
    # The two said the same of what both looked at; the third picture would make other words rare.
    assert (found.difference.examples, found.difference.low, found.difference.high) == (2, 0.0, 0.0)


def test_results_that_cannot_be_compared_are_refused(tmp_path: Path) -> None:
    first = results(tmp_path / "first.jsonl", {"1": "yes"})
    second = results(tmp_path / "second.jsonl", {"2": "yes"})
    with pytest.raises(UserError, match="no example in common"):
        compare(first, second)
    open_records(tmp_path / "third.jsonl", {"task": "nlvr2"}, resume=False)
    with pytest.raises(UserError, match=r"is of vqa and .* of nlvr2"):
        compare(first, tmp_path / "third.jsonl")
