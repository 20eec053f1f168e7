"""What is read out of a training's folder."""

from pathlib import Path

import pytest

from minivlm.cards.runs import read_training
from minivlm.errors import UserError
from tests.cards.made import RUN, change, training


def test_a_training_is_told_in_words(tmp_path: Path) -> None:
    found = read_training(training(tmp_path / "detector"))
    assert (found.folder, found.stage, found.recipe) == ("detector", "tee-tiny", "scenes")
    assert (found.steps, found.planned, found.batch, found.seed) == (300, 300, 8, 5)
    assert found.optimizer == "AdamW, 0.001, cosine to 2 %, weight decay 0.0001, bfloat16"
    assert found.pictures == "192 and 256, then 512"
    assert found.backbone == "efficientnet-lite0"
    assert found.tags is None
    assert found.time == "1 h 05 min"  # 300 steps of 13 seconds
    assert found.loss == 2.0  # a hundredth of 300 steps are the last three: 1, 2 and 3


def test_a_training_that_has_not_ended_says_how_far_it_is(tmp_path: Path) -> None:
    found = read_training(training(tmp_path / "run", steps=1000))
    assert (found.steps, found.planned) == (300, 1000)


def test_sgd_in_float32_without_an_end(tmp_path: Path) -> None:
    how = {**RUN["recipe"]["optimization"], "optimizer": {"momentum": 0.9}, "mixed": False, "final": 0.0}
    found = read_training(training(tmp_path / "run", recipe={"name": "paper", "optimization": how}, tags="both"))
    assert found.optimizer == "SGD, 0.001, cosine, weight decay 0.0001, float32"
    assert (found.pictures, found.tags) == (None, "both")


def test_what_is_no_training_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"has no run\.json"):
        read_training(tmp_path)
    folder = training(tmp_path / "run")
    change(folder / "run.json", recipe={"name": "scenes"})
    with pytest.raises(UserError, match="is not as this version writes it"):
        read_training(folder)
    (folder / "log.jsonl").write_text("")
    with pytest.raises(UserError, match="has no step"):
        read_training(folder)
