"""One artifact in a process of its own: what it is told, and what is made of what it says."""

from pathlib import Path
from subprocess import CompletedProcess

import pytest

from export.core.formats import FORMATS, artifact_path
from export.core.request import CALIBRATION_SAMPLES
from export.core.weights import Weights
from export.flow import making
from tests.export.artifacts import handmade
from tests.tiny import save_photo

PHOTOS = Path("photos")


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What processes were started with; each fails, as a converter does that says two lines and dies."""
    commands: list[list[str]] = []

    def failing(command: list[str]) -> CompletedProcess[str]:
        commands.append(command)
        return CompletedProcess(command, 2, "", "a warning\nerror: the disk is full\n")

    monkeypatch.setattr(making, "run_child", failing)
    return commands


@pytest.mark.parametrize(
    ("model", "precision", "calibrated"),
    [("tee-tiny", "int8", True), ("tee-tiny", "fp16", False), ("minilm-tiny", "int8", False)],
)
def test_photos_go_to_exports_that_measure_ranges_and_to_no_others(
    model: str, precision: str, calibrated: bool, told: list[list[str]], tmp_path: Path
) -> None:
    """An exporter refuses --calibration where nothing is measured: see tests of export.core.request."""
    making.make("onnx", model, precision, tmp_path, Weights(seed=3), PHOTOS)
    (command,) = told
    assert ("--calibration" in command) == calibrated
    assert command[2:7] == ["onnx", "--model", model, "--precision", precision]
    assert command[command.index("--seed") + 1] == "3"


@pytest.mark.parametrize(
    ("model", "precision", "spared"),
    [("tee-tiny", "int8", True), ("tee-tiny", "fp32", True), ("minilm-tiny", "int8", False)],
)
def test_what_sees_is_verified_on_a_photo_of_the_kind(
    model: str, precision: str, spared: bool, told: list[list[str]], tmp_path: Path
) -> None:
    (tmp_path / "photos").mkdir()
    names = [tmp_path / "photos" / f"{number}.png" for number in range(CALIBRATION_SAMPLES + 1)]
    photos = [save_photo(name, seed=number) for number, name in enumerate(names)]
    making.make("onnx", model, precision, tmp_path, Weights(seed=3), tmp_path / "photos")
    (command,) = told
    assert ("--photo" in command) == spared
    assert (str(photos[-1]) in command) == spared


def test_one_that_cannot_be_made_says_its_error_alone(told: list[list[str]], tmp_path: Path) -> None:
    made = making.make("onnx", "tee-tiny", "fp32", tmp_path)
    assert (made.sidecar, made.error) == (None, "the disk is full")
    assert made.artifact == artifact_path(tmp_path, "tee-tiny", FORMATS["onnx"], "fp32")


def test_one_that_is_made_has_its_sidecar(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    artifact = handmade(tmp_path, "tee-tiny", "onnx")
    monkeypatch.setattr(making, "run_child", lambda command: CompletedProcess(command, 0, "", ""))
    made = making.make("onnx", "tee-tiny", "fp32", tmp_path)
    assert made.artifact == artifact
    assert made.sidecar is not None
    assert made.sidecar.model == "tee-tiny"
