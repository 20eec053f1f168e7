"""The JSON beside an artifact: written, read back and held against the file."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from export.methods import Method
from export.parity import Figure
from export.sidecar import (
    MethodReport,
    Sidecar,
    TensorSpec,
    sidecar_path,
    tensor_specs,
    tool_versions,
    words_folder,
)
from minivlm.errors import UserError
from minivlm.registry import WeightsOrigin

CONTENT = b"some program"
SIDECAR = Sidecar(
    model="tee-tiny",
    runtime="executorch",
    precision="fp32",
    weights=WeightsOrigin("random (seed 0)", random=True),
    methods=[
        MethodReport(
            "forward",
            inputs=[TensorSpec("image", [1, 3, 128, 128], "float32")],
            outputs=[TensorSpec("tags", [10], "int64")],
            parity=[Figure("tags equal", 1.0, 0.98), Figure("error", 0.001, 0.01, at_least=False)],
            macs=1000,
            delegated_macs=0.99,
        )
    ],
    kept_float=["rpn"],
    calibration={"samples": 6, "photos": ["flower.jpg"], "skipped": [], "sha256": "ab"},
    proof=[Figure("caption tokens equal", 1.0, 0.9)],
    photo="china.jpg",
    bytes=len(CONTENT),
    sha256=hashlib.sha256(CONTENT).hexdigest(),
    seconds={"lower": 1.5},
    versions={"torch": "2"},
)


@pytest.fixture
def artifact(tmp_path) -> Path:
    path = tmp_path / "tee-tiny-executorch-fp32.pte"
    path.write_bytes(CONTENT)
    return path


def refusal(artifact: Path) -> str:
    with pytest.raises(UserError) as caught:
        Sidecar.read(artifact)
    message = str(caught.value)
    assert "\n" not in message
    assert "export again" in message
    return message


def test_comes_back_as_it_was_written(artifact):
    SIDECAR.write(artifact)
    assert Sidecar.read(artifact) == SIDECAR


def test_is_json_with_plain_names(artifact):
    SIDECAR.write(artifact)
    content = json.loads(sidecar_path(artifact).read_text())
    assert content["weights"] == {"description": "random (seed 0)", "random": True, "sha256": None}
    assert content["methods"][0]["inputs"] == [{"name": "image", "shape": [1, 3, 128, 128], "dtype": "float32"}]
    assert content["format"] == 2


def test_of_other_bytes_is_refused(artifact):
    SIDECAR.write(artifact)
    artifact.write_bytes(CONTENT + b".")
    assert "describes other bytes" in refusal(artifact)


def test_that_is_missing_is_named(artifact):
    assert "tee-tiny-executorch-fp32.json" in refusal(artifact)


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "3", "null", "{}", '{"format": 2}', '{"format": 2, "methods": [3]}']
)
def test_that_is_no_sidecar_is_refused(artifact, content):
    sidecar_path(artifact).write_text(content)
    assert "not a sidecar of format 2" in refusal(artifact)


def test_of_another_format_is_refused(artifact):
    replace(SIDECAR, format=1).write(artifact)
    assert "format 1" in refusal(artifact)


def test_what_belongs_to_an_artifact_has_its_name(tmp_path):
    path = tmp_path / "tee-0-executorch-fp32.pte"
    assert sidecar_path(path) == tmp_path / "tee-0-executorch-fp32.json"
    assert words_folder(path) == tmp_path / "tee-0-executorch-fp32-words"


def test_tensors_are_described_by_name_shape_and_type():
    method = Method("forward", torch.nn.Identity(), {"x": torch.zeros(1, 2)}, ("ids",))
    inputs, outputs = tensor_specs(method, (torch.zeros(3, dtype=torch.int64),))
    assert inputs == [TensorSpec("x", [1, 2], "float32")]
    assert outputs == [TensorSpec("ids", [3], "int64")]


def test_versions_leave_out_what_is_not_installed():
    found = tool_versions("torch", "no-such-package-at-all")
    assert found.keys() == {"python", "machine", "torch"}
    assert found["torch"].startswith(torch.__version__.split("+")[0])
