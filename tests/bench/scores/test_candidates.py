"""Which artifacts are scored, and that none is read more often than it must be."""

from types import SimpleNamespace

import pytest

from bench.scores import candidates as module
from bench.scores.candidates import candidates
from export.core.sidecar import Sidecar
from minivlm.errors import UserError
from minivlm.weights.loading import describe_model
from tests.export.artifacts import handmade

MODEL = "tee-tiny"


@pytest.fixture
def reference():
    return SimpleNamespace(model=MODEL, origin=describe_model(MODEL, checkpoint=None, seed=0).origin)


def test_each_sidecar_of_a_folder_is_read_once(tmp_path, reference, monkeypatch):
    made = [
        handmade(tmp_path, MODEL, runtime, precision)
        for runtime in ("onnx", "litert")
        for precision in ("fp32", "int8")
    ]
    read = []

    def reading(path):
        read.append(path)
        return Sidecar.read(path)

    monkeypatch.setattr(module, "Sidecar", SimpleNamespace(read=reading))
    found = candidates([tmp_path], reference)
    assert [one.artifact for one in found] == [None, *sorted(made)]
    assert sorted(read) == sorted(made)


def test_a_file_is_taken_as_it_is_and_a_folder_without_any_is_refused(tmp_path, reference):
    artifact = handmade(tmp_path / "some", MODEL, "onnx")
    _, found = candidates([artifact], reference)
    assert (found.name, found.artifact) == ("onnx fp32", artifact)
    (tmp_path / "none").mkdir()
    with pytest.raises(UserError, match="holds no artifact of tee-tiny: export one"):
        candidates([tmp_path / "none"], reference)


def test_a_package_that_no_runtime_here_runs_is_taken_where_it_is_named_and_not_from_a_folder(
    tmp_path, reference, monkeypatch
):
    """Core ML's packages are folders, and the reference executor takes minutes for what others do in seconds."""
    package = handmade(tmp_path / "some", MODEL, "coreml")
    read = Sidecar.read(package)
    package.unlink()
    package.mkdir()
    monkeypatch.setattr(module, "Sidecar", SimpleNamespace(read=lambda path: read))
    _, found = candidates([package], reference)
    assert (found.name, found.artifact) == ("coreml fp32", package)
    with pytest.raises(UserError, match="holds no artifact of tee-tiny: export one"):
        candidates([package.parent], reference)
