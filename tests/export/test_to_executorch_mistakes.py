"""What cannot be exported to ExecuTorch is refused before the long work, and no file is left."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from export.backends.executorch import exporter
from export.backends.executorch.convert import LoweredProgram
from minivlm.weights import checkpoint
from tests.export.executorch_command import refused, save

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def artifact(exported) -> bytes:
    """Made before any test of this file forbids it."""
    return exported("minilm-tiny").artifact.read_bytes()


class TestMistakes:
    """Each is refused before the long work, in one line, with exit code 2, and leaves no file."""

    @pytest.fixture(autouse=True)
    def _nothing_is_lowered(self, monkeypatch):
        def fail(*_: object) -> None:
            raise AssertionError("lowering began")

        monkeypatch.setattr(exporter, "export_program", fail)

    @pytest.mark.parametrize(
        ("argv", "parts"),
        [
            (["--model", "minivl"], ["unknown model 'minivl'", "did you mean minivlm"]),
            (
                ["--model", "tee-tiny", "--precision", "int4"],
                ["takes no int4 detector such as tee-tiny", "choose fp32 or fp16 or int8"],
            ),
            (["--model", "tee-tiny", "--precision", "int44"], ["unknown precision 'int44'", "did you mean int4"]),
            (["--model", "tee-tiny", "--image-size", "big"], ["image size 'big'", "such as 384x512"]),
            (["--model", "tee-tiny", "--image-size", "100x128"], ["100x128", "multiples of 32", "for example 96x128"]),
            (["--model", "tee-tiny", "--image-size", "0"], ["0x0", "multiples of 32", "for example 32x32"]),
            (["--model", "minilm-tiny", "--image-size", "128"], ["--image-size", "minilm-tiny is a transformer"]),
            (["--model", "tee-tiny", "--photo", "{folder}/notes.txt"], ["notes.txt", "convert it to JPEG or PNG"]),
            (["--model", "tee-tiny", "--photo", "{folder}/none.jpg"], ["none.jpg", "does not exist"]),
            (["--model", "r101-f-tiny"], ["r101-f-tiny is a baseline", "tee-0..3"]),
            (["--model", "grid-tiny"], ["grid-tiny is a baseline", "tee-0..3"]),
            (["--model", "tee-tiny", "--checkpoint", "{folder}/none"], ["none is not a folder", "config.json"]),
            ([], ["nothing to export", "--model"]),
        ],
    )
    def test_of_names_sizes_photos_and_folders(self, tmp_path, capsys, argv, parts):
        (tmp_path / "notes.txt").write_text("not a photo")
        argv = [item.format(folder=tmp_path) for item in argv]
        line = refused(capsys, *argv, "--output", str(tmp_path / "out"))
        assert all(part in line for part in parts), line
        assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["notes.txt"]

    def test_a_checkpoint_of_another_model(self, tmp_path, capsys):
        folder = save(tmp_path / "run", "minilm-tiny")
        line = refused(capsys, "--model", "tee-tiny", "--checkpoint", str(folder), "--output", str(tmp_path / "out"))
        assert "holds 'minilm-tiny', not 'tee-tiny': pass --model minilm-tiny" in line

    @pytest.mark.parametrize("length", [0, 4, 1000, -1])
    def test_a_truncated_checkpoint(self, tmp_path, capsys, length):
        folder = save(tmp_path / "run", "minilm-tiny")
        weights = folder / checkpoint.WEIGHTS
        weights.write_bytes(weights.read_bytes()[:length])
        line = refused(capsys, "--checkpoint", str(folder), "--output", str(tmp_path / "out"))
        assert "truncated" in line
        assert list((tmp_path / "out").iterdir()) == []

    def test_a_checkpoint_whose_tensors_are_another_model_s(self, tmp_path, capsys):
        folder = save(tmp_path / "run", "minilm-tiny", name="tee-tiny")
        line = refused(capsys, "--checkpoint", str(folder), "--output", str(tmp_path / "out"))
        assert "does not fit its model" in line

    @pytest.mark.parametrize("name", ["file", "file/out"])
    def test_an_output_folder_that_cannot_be_made(self, tmp_path, capsys, name):
        # A file in its place: permissions do not stop root, who may run the tests.
        (tmp_path / "file").write_text("kept")
        line = refused(capsys, "--model", "tee-tiny", "--output", str(tmp_path / name))
        assert "cannot make the folder" in line
        assert "--output" in line
        assert (tmp_path / "file").read_text() == "kept"

    def test_a_disk_that_fills_up_while_writing(self, artifact, tmp_path, capsys, monkeypatch):
        def write_half(path: Path, content: bytes) -> None:
            with path.open("wb") as file:
                file.write(content[: len(content) // 2])
            raise OSError(28, "No space left on device")

        program = SimpleNamespace(buffer=artifact)
        lowered = LoweredProgram(program, {"forward": 0}, {}, {})
        monkeypatch.setattr(Path, "write_bytes", write_half)
        monkeypatch.setattr(exporter, "export_program", lambda method, recipe: None)
        monkeypatch.setattr(exporter, "lower", lambda methods, programs, recipe: lowered)
        assert "No space left on device" in refused(capsys, "--model", "minilm-tiny", "--output", str(tmp_path))
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("argv", [["--model", "minivl"], ["--model", "minilm-tiny", "--checkpoint", "nowhere"]])
def test_as_a_process_a_mistake_is_told_last_without_a_traceback(tmp_path, argv):
    command = [sys.executable, ROOT / "export" / "to_executorch.py", *argv, "--output", tmp_path / "out"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.splitlines()[-1].startswith("error: ")
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.glob("**/*.pte"))
