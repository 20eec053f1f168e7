"""The study of ingredients: how rows are told apart, and that it goes through and goes on."""

import json
from pathlib import Path
from typing import Any

import pytest

from bench import ingredients, tables
from bench.records.scores import read_scores
from bench.reporting.score_tables import BASELINE, BLIND, DISTILLED, HIGH
from bench.studies.commands import run_once
from bench.studies.ingredients import added
from minivlm.errors import UserError, run_command
from minivlm.evaluation.records import read_results
from minivlm.weights.making import make_random
from tests.evaluation.made import data_folder
from tests.tiny import NAME

ROWS = {"blind": BLIND, "baseline": BASELINE, "h": HIGH, "h-dd": DISTILLED}


class TestTellingRowsApart:
    def test_scores_are_means_over_trainings_and_differences_are_paired(self) -> None:
        """By hand: a row that is better by 0.5 in every example is so in every resample."""
        found = added(
            {
                BASELINE: [{"a": 0.0, "b": 0.5}, {"b": 0.0, "a": 0.5}],
                HIGH: [{"a": 0.75, "b": 0.75}, {"a": 0.75, "b": 0.75}],
            }
        )
        assert found[BASELINE].over is None
        assert found[BASELINE].mean.value == 0.25
        assert found[BASELINE].each == (0.25, 0.25)
        over = found[HIGH].over
        assert over is not None
        assert (over.mean, over.low, over.high) == (0.5, 0.5, 0.5)

    def test_rows_of_other_examples_are_refused(self) -> None:
        with pytest.raises(UserError, match="different examples"):
            added({BASELINE: [{"a": 0.0}], HIGH: [{"b": 0.0}]})


class TestRunningOnce:
    def test_what_came_to_its_end_is_not_run_again(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        run: list[Any] = []
        monkeypatch.setattr("bench.studies.commands.main", run.append)
        for _ in range(2):
            run_once(tmp_path / "done.json", ["evaluate", "vqa", "--limit", 3])
        assert run == [["evaluate", "vqa", "--limit", "3"]]
        with pytest.raises(UserError, match="--limit 4: name another --output"):
            run_once(tmp_path / "done.json", ["evaluate", "vqa", "--limit", 4])

    def test_what_did_not_is(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def interrupted(command: list[str]) -> None:
            raise SystemExit(130)

        monkeypatch.setattr("bench.studies.commands.main", interrupted)
        with pytest.raises(SystemExit):
            run_once(tmp_path / "done.json", ["train"])
        assert not (tmp_path / "done.json").exists()


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A study of two steps a training, and its command."""
    made = tmp_path_factory.mktemp("study")
    data, start = data_folder(made / "data"), made / "start"
    make_random(start, NAME, seed=0)
    given = {"--train": data, "--test": data, "--start": start, "--more": data / "images", "--teacher": start}
    given |= {"--pretrain-steps": 2, "--task-steps": 2, "--batch": 4, "--limit": 3, "--searched": 2}
    given |= {"--threads": 1, "--output": made / "out"}
    command = [str(one) for pair in given.items() for one in pair]
    ingredients.main(command)
    return made / "out", command


def test_every_row_is_trained_on_what_it_is_to_be_trained_on(study: tuple[Path, list[str]]) -> None:
    out, _ = study
    told = {short: json.loads((out / f"models/{short}-0-pretrain/run.json").read_text()) for short in ROWS}
    assert [told[short]["tags"] for short in ROWS] == ["no picture", "detector", "data", "data"]
    assert told["h-dd"]["data"][: len(told["h"]["data"])] == told["h"]["data"]
    assert len(told["h-dd"]["data"]) == len(told["h"]["data"]) + 2  # the teacher's captions and boxes
    assert len({json.dumps(one["recipe"]) for one in told.values()}) == 1
    assert read_results(out / "results/blind-0/vqa.jsonl").header["sight"] == "no picture"
    assert read_results(out / "results/h-0/vqa.jsonl").header["sight"] == "detector, kept in float16"


def test_its_records_make_the_paper_s_tables(study: tuple[Path, list[str]], tmp_path: Path, capsys: Any) -> None:
    out, _ = study
    records = read_scores(out / "scores.jsonl")
    assert [(one.row, one.task) for one in records] == [
        (row, task) for task in ("caption", "vqa", "nlvr2", "retrieval") for row in ROWS.values()
    ]
    tables.main(["--scores", str(out.parent), "--plots", str(tmp_path)])
    printed = capsys.readouterr().out
    assert "no picture (ours only)" in printed
    assert (tmp_path / "figure1.png").stat().st_size > 1000
    assert (tmp_path / "figure4.png").stat().st_size > 1000


def test_it_goes_on_without_doing_anything_twice(study: tuple[Path, list[str]], monkeypatch: Any, capsys: Any) -> None:
    out, command = study
    before = (out / "scores.jsonl").read_text()
    monkeypatch.setattr("bench.studies.commands.main", lambda told: pytest.fail(f"{told} was run again"))
    ingredients.main(command)
    assert (out / "scores.jsonl").read_text() == before
    assert "+ H + DD" in capsys.readouterr().out


def test_a_teacher_needs_pictures(capsys: Any, tmp_path: Path) -> None:
    flags = ["--train", "a", "--test", "b", "--start", "c", "--more", "d"]
    with pytest.raises(SystemExit) as end:
        run_command(lambda: ingredients.main(flags))
    assert end.value.code == 2
    assert "--more and --teacher go together" in capsys.readouterr().err
