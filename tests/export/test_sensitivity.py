"""The sensitivity of a model's blocks, from the command line to a table and a file."""

import json
from pathlib import Path

import pytest

from export import sensitivity
from export.backends.onnx.rules import RULES
from export.core.precision import rules_of_backbone
from minivlm.errors import UserError


class TestMistakes:
    @pytest.mark.parametrize(
        ("flags", "said"),
        [
            (["--format", "onnx", "--precision", "fp16"], "rounds no block by rules: choose int8 or int4"),
            (["--format", "onnx", "--precision", "int9"], "choose int8 or int4"),
            (["--format", "onnx", "--turns", "1"], "give at least 2"),
            (["--format", "onyx"], "onnx"),
            (["--format", "onnx", "--evaluate", "."], "--evaluate goes with trained weights"),
        ],
    )
    def test_are_told_in_one_line_before_any_work(self, flags: list[str], said: str, tmp_path: Path) -> None:
        with pytest.raises(UserError, match=said) as told:
            sensitivity.main(["--model", "minilm-tiny", "--output", str(tmp_path), *flags])
        assert "\n" not in str(told.value)
        assert list(tmp_path.iterdir()) == []


@pytest.mark.full
def test_every_block_is_tried_alone_and_on_top_of_more_harmless_ones(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sensitivity.main(
        ["--format", "onnx", "--model", "minilm-tiny", "--output", str(tmp_path), "--turns", "2"],
    )
    (file,) = tmp_path.iterdir()
    found = json.loads(file.read_text())
    assert (file.name, found["runtime"], found["precision"]) == (
        "minilm-tiny-onnx-int8-sensitivity.json",
        "onnx",
        "int8",
    )
    assert found["command"].startswith("python export/sensitivity.py --format onnx --model minilm-tiny")
    assert found["rules"] == [str(rule) for rule in rules_of_backbone(RULES["int8"], None)]
    trials = {trial["name"]: trial for trial in found["trials"]}
    blocks = [name for name, trial in trials.items() if trial["blocks"] == [name]]
    assert blocks == ["embeddings", "encoder.layers.0", "encoder.layers.1", "pooler", "caption_head"]
    # In float, by the table, which rounds everything, each alone, and all numbers of blocks from two to all but one.
    assert "everything" not in trials
    assert len(trials) == 2 + len(blocks) + len(blocks) - 2
    # A model in float is exact, and whatever is rounded is smaller and less exact.
    exact = trials.pop("float")
    assert exact["decibels"] > 100.0
    for trial in trials.values():
        assert trial["decibels"] < exact["decibels"] - 40.0
        assert trial["bytes"] < exact["bytes"]
    # One block's noise is part of all blocks' noise.
    assert all(trials[block]["decibels"] > trials["the format's table"]["decibels"] for block in blocks)
    assert any(trial["front"] for trial in found["trials"])
    assert "times as fast" in capsys.readouterr().out
