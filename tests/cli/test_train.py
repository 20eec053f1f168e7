"""`minivlm train detector` on the command line, from a folder of data to what other commands take."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from minivlm.cli import train_commands
from minivlm.cli.main import main
from minivlm.training.recipes import SMALL_WORLD, Phase
from minivlm.vision.tee_config import TEE_TINY

TINY = replace(
    SMALL_WORLD,
    rpn=replace(TEE_TINY.rpn, proposals=20),
    sides=(Phase(until=1.0, sides=(64,)),),
    longest=128,
    optimization=replace(SMALL_WORLD.optimization, batch=2, warmup=1),
)


@pytest.fixture(autouse=True)
def recipes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train_commands, "RECIPES", {"tiny": TINY, "small-world": SMALL_WORLD})


def data_folder(folder: Path, count: int = 4, classes: tuple[str, ...] = ("cat", "dog", "owl")) -> Path:
    (folder / "images").mkdir(parents=True)
    chance = np.random.default_rng(0)
    for number in range(count):
        pixels = chance.integers(0, 255, (60, 80, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "images" / f"{number}.png")
    content = {
        "images": [{"id": n, "file_name": f"{n}.png", "width": 80, "height": 60} for n in range(count)],
        "categories": [{"id": n, "name": name} for n, name in enumerate(classes, start=7)],
        "attributes": ["red", "small"],
        "annotations": [
            {"id": n, "image_id": n, "category_id": 7 + n % 2, "bbox": [5, 5, 40, 30], "attributes": ["red"]}
            for n in range(count)
        ],
    }
    (folder / "boxes.json").write_text(json.dumps(content))
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return data_folder(tmp_path_factory.mktemp("data") / "data")


def run(capfd: pytest.CaptureFixture[str], *arguments: Any) -> tuple[int, str, str]:
    code = 0
    try:
        main([str(argument) for argument in arguments])
    except SystemExit as end:
        code = int(end.code or 0)
    return (code, *capfd.readouterr())


def flags(folder: Path, data: Path, *more: Any) -> tuple[Any, ...]:
    own = ("--recipe", "tiny", "--model", "tee-tiny", "--workers", 0, "--cpu")
    return ("train", "detector", folder, "--data", data, *own, *more)


@pytest.fixture
def trained(data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Path:
    code, out, err = run(capfd, *flags(tmp_path / "run", data, "--epochs", 1))
    assert (code, out) == (0, f"{tmp_path / 'run'}: tee-tiny, 3 classes, 2 steps\n"), err
    assert "boxes.json: 4 pictures, 4 boxes, 3 classes, 2 attributes" in err
    return tmp_path / "run"


def test_what_was_trained_is_a_checkpoint_that_other_commands_take(
    trained: Path, data: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    config = json.loads((trained / "config.json").read_text())
    assert (config["model"], config["sizes"], config["random"]) == ("tee-tiny", {"tags": 3, "attributes": 2}, False)
    assert (trained / "tags.txt").read_text() == "cat\ndog\nowl\n"
    assert (trained / "attributes.txt").read_text() == "red\nsmall\n"
    code, out, err = run(capfd, "regions", data / "images" / "0.png", "--checkpoint", trained, "--json")
    assert (code, err) == (0, "")
    assert {region["tag"] for region in json.loads(out)["photo"]["regions"]} <= {"cat", "dog", "owl"}
    code, out, err = run(capfd, "evaluate", "detection", "--data", data, "--checkpoint", trained, "--proposals")
    assert (code, "detection: 4 examples" in out) == (0, True), err
    code, out, err = run(capfd, "caption", data / "images" / "0.png", "--checkpoint", trained)
    assert (code, out) == (2, "")
    assert err == "error: tee-tiny is a detector alone: for this task give a vision-language model\n"


def test_a_finished_training_is_resumed_only_as_it_was(
    trained: Path, data: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    code, _, err = run(capfd, *flags(trained, data, "--epochs", 1))
    assert (code, err.splitlines()[-1]) == (
        2,
        f"error: {trained} holds a training: go on with it by --resume, or name another folder",
    )
    code, out, _ = run(capfd, *flags(trained, data, "--epochs", 1, "--resume"))
    assert (code, out) == (0, f"{trained}: tee-tiny, 3 classes, 2 steps\n")
    code, _, err = run(capfd, *flags(trained, data, "--epochs", 1, "--batch", 4, "--resume"))
    assert (code, "its steps is 2, and now it is 1" in err) == (2, True)


def test_another_training_starts_from_it(
    trained: Path, data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    own = ("--data", data, "--recipe", "tiny", "--workers", 0, "--cpu", "--steps", 1)
    code, out, err = run(capfd, "train", "detector", tmp_path / "next", *own, "--start", trained)
    assert (code, out) == (0, f"{tmp_path / 'next'}: tee-tiny, 3 classes, 1 steps\n"), err
    origin = json.loads((tmp_path / "next" / "config.json").read_text())["origin"]
    assert re.fullmatch(r"trained from nothing \(seed 0\), sha256 [0-9a-f]+; trained further", origin)
    other = data_folder(tmp_path / "other", classes=("cat", "fox"))
    code, _, err = run(capfd, *flags(tmp_path / "no", other, "--start", trained))
    assert (code, err.splitlines()[-1]) == (
        2,
        f"error: the data has 2 classes, and {trained} has 3; the first that differs is number 2, 'fox' in the data and"
        " 'dog' in the checkpoint: give data with the same classes, or start without this checkpoint",
    )
    assert not (tmp_path / "no").exists()


def test_another_learning_rate_is_used_and_kept_with_the_run(
    data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    code, _, err = run(capfd, *flags(tmp_path / "run", data, "--steps", 1, "--learning-rate", "2.5e-4"))
    assert code == 0, err
    told = json.loads((tmp_path / "run" / "run.json").read_text())
    assert told["recipe"]["optimization"]["learning_rate"] == 2.5e-4
    line = json.loads((tmp_path / "run" / "log.jsonl").read_text())
    assert line["learning_rate"] == 2.5e-4  # the warm-up of one step ends there


def test_pictures_that_cannot_be_shown_are_told_once(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    data = data_folder(tmp_path / "data")
    (data / "images" / "2.png").write_bytes(b"no picture")
    code, _, err = run(capfd, *flags(tmp_path / "run", data, "--steps", 4))
    told = [line for line in err.splitlines() if line.startswith("another example is shown instead: ")]
    assert (code, len(told), "2.png" in told[0]) == (0, 1, True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("--recipe", "tinny"), "argument --recipe: unknown recipe 'tinny': did you mean tiny?"),
        (("--recipe", "small-world"), "the recipe trains anchors of 16, 32, 64, 128, 256 pixels, and tee-tiny has 8,"),
        (("--model", "minilm"), "minilm is no TEE, which is what can be trained as a detector"),
        (("--batch", 3, "--accumulate", 2), "a batch of 3 cannot be shared by 1 processes in 2 parts"),
        (("--learning-rate", "0"), "--learning-rate 0: give a number above 0, such as 1e-4"),
        (("--learning-rate", "fast"), "'fast' is no number"),
        (("--start", "nowhere"), "checkpoint nowhere is not a folder"),
        (("--epochs", 2, "--steps", 2), "not allowed with argument"),
        (("--data", "nowhere"), "nowhere is no folder"),
    ],
)
def test_mistakes_are_one_line(
    data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], change: tuple[Any, ...], message: str
) -> None:
    code, out, err = run(capfd, *flags(tmp_path / "run", data), *change)
    assert (code, out) == (2, "")
    assert message in err.splitlines()[-1]
    assert "Traceback" not in err
    assert not (tmp_path / "run").exists()


def test_data_without_boxes_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    data = data_folder(tmp_path / "data", count=0)
    code, _, err = run(capfd, *flags(tmp_path / "run", data))
    assert (code, err.startswith("error: "), "no picture with a box" in err) == (2, True, True)
