"""The folder of a training: what it holds, and which are refused."""

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from minivlm.errors import UserError
from tests.training.linear import LinearStage
from tests.training.linear_runs import log_of, run


class TestFolder:
    def test_holds_what_is_said_of_it(self, tmp_path: Path) -> None:
        run(LinearStage(), tmp_path / "run", about={"data": "numbers", "recipe": {"rate": 0.1}})
        assert json.loads((tmp_path / "run" / "run.json").read_text()) == {
            "format": 1,
            "stage": "linear",
            "steps": 4,
            "batch": 4,
            "seed": 0,
            "data": "numbers",
            "recipe": {"rate": 0.1},
        }
        log = log_of(tmp_path / "run")
        assert [line["step"] for line in log] == [1, 2, 3, 4]
        assert all(line["losses"].keys() == {"total", "half"} for line in log)
        seconds = [line["seconds"] for line in log]
        assert seconds == sorted(seconds)
        assert all(line["examples_per_second"] > 0 for line in log)
        with Image.open(tmp_path / "run" / "curves.png") as picture:
            assert picture.size == (960, 720)
        assert {path.name for path in (tmp_path / "run").iterdir()} == {
            *("run.json", "state.pt", "log.jsonl", "curves.png", "linear.pt")
        }

    def test_of_a_finished_training_is_left_alone(self, tmp_path: Path) -> None:
        run(LinearStage(), tmp_path / "run")
        before = {path: path.read_bytes() for path in (tmp_path / "run").iterdir()}
        assert run(LinearStage(), tmp_path / "run", resume=True) == 4
        assert {path: path.read_bytes() for path in (tmp_path / "run").iterdir()} == before

    def test_in_use_is_refused(self, tmp_path: Path) -> None:
        run(LinearStage(), tmp_path / "run")
        with pytest.raises(UserError, match="holds a training: go on with it by --resume, or name another folder"):
            run(LinearStage(), tmp_path / "run")
        (tmp_path / "other").mkdir()
        (tmp_path / "other" / "file").touch()
        for resume in (False, True):
            with pytest.raises(UserError, match="is not empty"):
                run(LinearStage(), tmp_path / "other", resume=resume)

    @pytest.mark.parametrize(
        ("options", "about", "message"),
        [
            ({"seed": 1}, {}, "its seed is 0, and now it is 1"),
            ({"steps": 9}, {}, "its steps is 4, and now it is 9"),
            ({}, {"data": "others"}, 'its data is "numbers", and now it is "others"'),
            ({}, {"recipe": {"rate": 0.2}}, r"its recipe.rate is 0.1, and now it is 0.2"),
        ],
    )
    def test_of_another_training_is_refused(
        self, tmp_path: Path, options: dict[str, Any], about: dict[str, Any], message: str
    ) -> None:
        told = {"data": "numbers", "recipe": {"rate": 0.1}}
        run(LinearStage(), tmp_path / "run", told)
        with pytest.raises(UserError, match=message):
            run(LinearStage(), tmp_path / "run", {**told, **about}, resume=True, **options)

    @pytest.mark.parametrize("name", ["state.pt", "log.jsonl"])
    def test_that_is_damaged_is_refused_in_one_line(self, tmp_path: Path, name: str) -> None:
        run(LinearStage(), tmp_path / "run")
        path = tmp_path / "run" / name
        path.write_bytes(path.read_bytes()[:100])
        with pytest.raises(UserError, match="name a new folder") as caught:
            run(LinearStage(), tmp_path / "run", resume=True)
        assert "\n" not in str(caught.value)
