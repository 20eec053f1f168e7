"""Checkpoints between two others."""

import json
from pathlib import Path

import pytest
import torch

from minivlm.cli.main import main
from minivlm.errors import UserError
from minivlm.weights import checkpoint
from minivlm.weights.averaging import average
from minivlm.weights.checkpoint import CheckpointInfo
from minivlm.weights.labels import LABEL_FILES
from minivlm.weights.loading import load_model

NAME = "minivlm-tiny"


def made(folder: Path, seed: int, model: str = NAME) -> Path:
    main(["checkpoint", "random", str(folder), "--model", model, "--seed", str(seed)])
    return folder


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("two")
    return made(folder / "first", 1), made(folder / "second", 2)


def test_every_weight_is_a_share_of_the_way(two: tuple[Path, Path], tmp_path: Path) -> None:
    """To within float32's rounding of one product and one sum."""
    info = average(*two, 0.25, tmp_path / "mean")
    first, second, mean = (load_model(checkpoint=one).module.state_dict() for one in (*two, tmp_path / "mean"))
    for key, tensor in mean.items():
        if tensor.is_floating_point():
            torch.testing.assert_close(tensor, 0.75 * first[key] + 0.25 * second[key], rtol=1e-5, atol=1e-6)
        else:
            assert torch.equal(tensor, second[key])
    assert info.random
    assert info.origin == "0.75 of random (seed 1), 0.25 of random (seed 2)"
    for name in LABEL_FILES:
        assert (tmp_path / "mean" / name).exists() == (two[0] / name).exists()


def test_a_part_that_both_have_from_the_same_place_keeps_its_source(tmp_path: Path) -> None:
    for name, head in (("first", "tasks"), ("second", "critic")):
        made(tmp_path / name, 1)
        model = load_model(checkpoint=tmp_path / name)
        sources = {"vision": "trained", "language.caption_head": head}
        info = CheckpointInfo(NAME, head, random=False, heads=("vqa", "nlvr2", "match"), sources=sources)
        checkpoint.save(tmp_path / name, model.module, info)
    info = average(tmp_path / "first", tmp_path / "second", 0.5, tmp_path / "mean")
    assert info.sources == {"vision": "trained", "language.caption_head": "0.5 of tasks, 0.5 of critic"}
    assert not json.loads((tmp_path / "mean" / "config.json").read_text())["random"]


def test_two_trainings_of_the_same_kind_are_told_once(two: tuple[Path, Path], tmp_path: Path) -> None:
    info = average(two[0], made(tmp_path / "same", 1), 0.5, tmp_path / "mean")
    assert info.origin == "random (seed 1); two such, averaged"


def test_other_models_and_other_labels_are_refused(two: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(UserError, match="are of different models or labels"):
        average(two[0], made(tmp_path / "other-size", 1, "minivlm-sample"), 0.5, tmp_path / "mean")
    other = made(tmp_path / "other", 2)
    tags = (other / "tags.txt").read_text().splitlines()
    (other / "tags.txt").write_text("\n".join([*tags[1:], tags[0]]) + "\n")
    with pytest.raises(UserError, match="are of different models or labels"):
        average(two[0], other, 0.5, tmp_path / "mean")
    assert not (tmp_path / "mean").exists()


@pytest.mark.parametrize("share", ["0", "1", "-0.5", "nan", "much"])
def test_a_share_is_between_the_two(
    two: tuple[Path, Path], tmp_path: Path, share: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(["checkpoint", "average", *map(str, two), str(tmp_path / "mean"), "--share", share])
    assert end.value.code == 2
    assert capfd.readouterr().err.splitlines()[-1].startswith("error: ")
    assert not (tmp_path / "mean").exists()
