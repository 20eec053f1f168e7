"""The outside yardstick on a tiny model and made-up data of the same shape; nothing is fetched."""

import json
from pathlib import Path
from typing import Any

import pytest

from bench import easy_vqa
from minivlm.evaluation.answers import accuracy
from minivlm.evaluation.records import read_results
from minivlm.weights.making import make_random
from tests.evaluation.made import ANSWERS, data_folder
from tests.tiny import NAME


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A study of two steps a training, and its command."""
    made = tmp_path_factory.mktemp("easy")
    for split in ("train", "test"):
        data_folder(made / "data" / split)
        (made / "data" / split / "answers.txt").write_text("".join(f"{answer}\n" for answer in ANSWERS[:12]))
    make_random(made / "start", NAME, seed=0)
    given = {"--start": made / "start", "--data": made / "data", "--steps": 2, "--threads": 1, "--output": made / "out"}
    command = [str(one) for pair in given.items() for one in pair]
    easy_vqa.main(command)
    return made / "out", command


def test_both_models_and_the_usual_answer_are_scored_on_the_same_questions(study: tuple[Path, list[str]]) -> None:
    """The usual answer is right as VQA's rule says it is, over what people said, which the results repeat."""
    out, _ = study
    found = json.loads((out / "easy-vqa.json").read_text())
    names = list(found["means"])
    assert names[:2] == ["with pictures", "the question alone"]
    assert names[2].startswith("the most frequent answer of the training split")
    assert {one["examples"] for one in found["means"].values()} == {5}
    results = {name: read_results(out / name / "vqa.jsonl") for name in ("seeing", "blind")}
    assert results["blind"].header["sight"] == "no picture"
    usual = names[2].split("'")[1]
    expected = [accuracy(usual, record["people"]) for record in results["seeing"].records.values()]
    assert found["means"][names[2]]["value"] == pytest.approx(sum(expected) / len(expected))
    gain = found["means"][names[0]]["value"] - found["means"][names[1]]["value"]
    assert found["gain"]["second"] - found["gain"]["first"] == pytest.approx(gain)


def test_nothing_is_done_twice(study: tuple[Path, list[str]], monkeypatch: Any, capsys: Any) -> None:
    _, command = study
    monkeypatch.setattr("bench.studies.commands.main", lambda told: pytest.fail(f"{told} was run again"))
    easy_vqa.main(command)
    printed = capsys.readouterr().out
    assert "the question alone" in printed
    assert "pictures add " in printed
