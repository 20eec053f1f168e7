"""New checkpoints are halved ones or random ones, written whole, and never over what is there."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from minivlm.errors import UserError
from minivlm.inference.backend import load_torch_backend
from minivlm.weights import checkpoint
from minivlm.weights.checkpoint import CheckpointInfo
from minivlm.weights.loading import load_model
from minivlm.weights.making import halve, import_weights, make_random
from tests.tiny import NAME
from tests.weights.made import damage


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkpoint of seed 3."""
    make_random(tmp_path / "saved", NAME, seed=3)
    return tmp_path / "saved"


def test_halved_weights_are_the_nearest_in_float16_and_vectors_are_as_they_were(folder: Path, tmp_path: Path) -> None:
    """Nearest: what torch's own rounding gives. Vectors are a small share of the bytes."""
    halve(folder, tmp_path / "half")
    before, after = (load_model(checkpoint=one).module.state_dict() for one in (folder, tmp_path / "half"))
    for key, tensor in before.items():
        wanted = tensor.half().float() if tensor.ndim > 1 else tensor
        assert torch.equal(after[key], wanted), key
    sizes = [(one / "model.safetensors").stat().st_size for one in (folder, tmp_path / "half")]
    assert sizes[1] < 0.6 * sizes[0]
    labels = [load_torch_backend(checkpoint=one).labels for one in (folder, tmp_path / "half")]
    assert labels[0].sha256 == labels[1].sha256


def test_a_halved_detector_keeps_all_its_names(tmp_path: Path) -> None:
    model = load_model("tee-tiny", sizes={"tags": 2, "attributes": 1})
    checkpoint.save(tmp_path, model.module, CheckpointInfo(model.name, "test", random=False))
    names = {"tags.txt": "cat\ndog\n", "attributes.txt": "red\n"}
    for name, text in names.items():
        (tmp_path / name).write_text(text)
    halve(tmp_path, tmp_path / "half")
    assert {name: (tmp_path / "half" / name).read_text() for name in names} == names


def test_weights_too_large_for_float16_are_not_halved(folder: Path, tmp_path: Path) -> None:
    damage(folder, lambda state: state["heads.nlvr2.classifier.weight"].view(-1)[:1].fill_(1e6))
    with pytest.raises(UserError, match="NaN or infinite"):
        halve(folder, tmp_path / "half")
    assert not (tmp_path / "half").exists()


class TestFullDisk:
    """Nothing is left of a checkpoint that could not be written whole, and the next try finds its place free."""

    SCRIPT = """
import resource, signal, sys
from minivlm.cli.main import main
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
main(["checkpoint", "random", sys.argv[2], "--model", "minivlm-tiny"])
"""

    @pytest.mark.parametrize("most", [200, 100_000], ids=["words", "weights"])
    @pytest.mark.parametrize("empty", [True, False], ids=["empty folder", "new folder"])
    def test_a_second_try_works(self, tmp_path: Path, most: int, empty: bool) -> None:
        folder = tmp_path / "here" / "new"
        folder.parent.mkdir()
        if empty:
            folder.mkdir()
        before = sorted(folder.parent.rglob("*"))
        command = [sys.executable, "-c", self.SCRIPT, str(most), str(folder)]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        assert ended.returncode == 2
        assert ended.stderr.count("\n") == 1, ended.stderr
        assert "cannot write" in ended.stderr
        assert sorted(folder.parent.rglob("*")) == before
        make_random(folder, NAME)
        assert load_torch_backend(checkpoint=folder).model == NAME


def test_a_link_to_an_empty_folder_stays_one(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    make_random(tmp_path / "link", NAME)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real" / "config.json").is_file()


def test_the_current_folder_is_not_replaced_under_a_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="name a new folder in it"):
        make_random(Path(), NAME)


def test_making_a_checkpoint_never_overwrites_one(folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(UserError, match="not empty"):
        make_random(folder, NAME)
    with pytest.raises(UserError, match="not empty"):
        import_weights(folder, NAME, bert="anything")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
