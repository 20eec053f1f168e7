"""The command that cuts an artifact for a phone's GPU."""

import shutil
from pathlib import Path

import pytest

from export.gpu_pieces import main
from minivlm.errors import UserError
from tests.export.artifacts import handmade


def test_pieces_lie_beside_the_artifact(exported, tmp_path, capsys):
    source = exported("tee-tiny", "litert").artifact
    for path in (source, source.with_suffix(".json")):
        shutil.copy(path, tmp_path)
    main([str(tmp_path / source.name)])
    folder = tmp_path / "tee-tiny-litert-fp32-pieces"
    assert capsys.readouterr().out.startswith(f"{folder} has 7 pieces\n")
    assert (folder / "pieces.json").is_file()


def refused(artifact: Path) -> str:
    with pytest.raises(UserError) as caught:
        main([str(artifact)])
    return str(caught.value)


def test_an_artifact_of_another_runtime_is_refused(tmp_path):
    artifact = handmade(tmp_path)
    assert refused(artifact) == f"{artifact} is for onnx, and pieces are of LiteRT's artifacts: take a .tflite file"


def test_what_the_gpu_would_compute_in_float_is_refused(tmp_path):
    """docs/accelerators.md: fp32 and fp16 artifacts go with it."""
    artifact = handmade(tmp_path, "tee-tiny", "litert", "int8")
    assert "would compute int8 in float: take an artifact in fp32 or fp16" in refused(artifact)
