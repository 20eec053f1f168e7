"""The proof that an artifact still does its tasks, of a whole tiny model: in fp32 it is exact and keeps everything."""

import json
from pathlib import Path

import pytest

from export.core.formats import FORMATS
from export.flow import examining
from export.flow.command import run_exporter
from minivlm.errors import UserError
from minivlm.weights.checkpoint import CONFIG
from minivlm.weights.making import make_random
from tests.evaluation.made import data_folder
from tests.tiny import NAME


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights that say of themselves that they were trained."""
    folder = tmp_path_factory.mktemp("checkpoint") / "run"
    make_random(folder, NAME, seed=3)
    config = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps({**config, "random": False}))
    return folder


def flags(checkpoint: Path, data: Path, output: Path, *more: str) -> list[str]:
    return ["--checkpoint", str(checkpoint), "--evaluate", str(data), "--output", str(output), *more]


def test_every_task_that_data_and_model_allow_is_scored(
    checkpoint: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """fp32 in ONNX Runtime decides as PyTorch does: shares are 1, or of nothing."""
    run_exporter(FORMATS["onnx"], "", flags(checkpoint, data_folder(tmp_path / "data"), tmp_path / "out"))
    (sidecar,) = (tmp_path / "out").glob("*.json")
    proof = json.loads(sidecar.read_text())["tasks"]
    assert (proof["data"], proof["floor"]) == ("data", 0.97)
    assert [one["task"] for one in proof["tasks"]] == ["detection", "caption", "vqa", "nlvr2", "retrieval"]
    for one in proof["tasks"]:
        assert one["artifact"] == pytest.approx(one["pytorch"], abs=1e-6)
        assert one["share"] is None or one["share"] == pytest.approx(1.0)
    assert any(one["share"] is not None for one in proof["tasks"])
    printed = capfd.readouterr()
    assert "scoring the artifact on the same" in printed.err
    assert "nlvr2: accuracy" in printed.out


def test_below_the_floor_nothing_is_kept_and_the_task_is_named(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No artifact keeps one and a half."""
    monkeypatch.setattr(examining, "FLOOR", 1.5)
    with pytest.raises(UserError, match=r"nlvr2: accuracy .* of .*, 100.0% kept") as refused:
        run_exporter(FORMATS["onnx"], "", flags(checkpoint, data_folder(tmp_path / "data"), tmp_path / "out"))
    assert "\n" not in str(refused.value)
    assert list((tmp_path / "out").iterdir()) == []


def test_data_that_fits_no_task_is_told(checkpoint: Path, tmp_path: Path) -> None:
    """A detector alone, and captions."""
    data = data_folder(tmp_path / "data")
    for name in ("boxes.json", "questions.json", "annotations.json", "nlvr2.jsonl"):
        (data / name).unlink()
    given = flags(checkpoint, data, tmp_path / "out", "--model", "tee-tiny")
    with pytest.raises(UserError, match="has captions, and tee-tiny can do no task with that"):
        run_exporter(FORMATS["onnx"], "", given)
