"""Records of kind accuracy: what is written is read, and what is no record is refused by its line."""

from dataclasses import replace
from pathlib import Path

import pytest

from bench.records.scores import SCORES, ScoreRecord, read_scores, scores_below, write_scores
from minivlm.errors import UserError
from tests.bench.samples import SCORE


def test_what_is_written_is_read(tmp_path: Path) -> None:
    records = [SCORE, replace(SCORE, row="onnx int8", kept=0.99, bytes=5, latency_ms=7.5)]
    write_scores(tmp_path / SCORES, records)
    assert read_scores(tmp_path / SCORES) == records


def test_scores_of_a_folder_and_of_those_in_it(tmp_path: Path) -> None:
    for folder, row in ((tmp_path, "a"), (tmp_path / "b", "b"), (tmp_path / "c" / "d", "deeper")):
        write_scores(folder / SCORES, [replace(SCORE, row=row)])
    assert [record.row for record in scores_below(tmp_path)] == ["a", "b"]
    assert scores_below(tmp_path / "nothing") == []


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{}", "row"),
        ("nothing", "line 2"),
        ('{"kind": "latency"}', "line 2"),
    ],
)
def test_a_line_that_is_none_is_named(line: str, said: str, tmp_path: Path) -> None:
    write_scores(tmp_path / SCORES, [SCORE])
    with (tmp_path / SCORES).open("a") as file:
        file.write(line + "\n")
    with pytest.raises(UserError, match="line 2") as error:
        read_scores(tmp_path / SCORES)
    assert said in str(error.value)


@pytest.mark.parametrize("field", ["score", "low", "high"])
def test_scores_are_numbers_that_can_be(field: str) -> None:
    with pytest.raises(ValueError, match=field):
        ScoreRecord(**{**vars_of(SCORE), field: 11.0})


def vars_of(record: ScoreRecord) -> dict:
    from dataclasses import asdict

    return asdict(record)
