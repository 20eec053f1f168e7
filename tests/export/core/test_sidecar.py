"""The JSON beside an artifact: written, read back and held against the file."""

import hashlib
import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch

from export.core.acceleration import AcceleratedMethod, AcceleratorProof, Adapter, Placement
from export.core.feeding import feeding_of
from export.core.interface import Interface, TensorSpec
from export.core.metric import Metric
from export.core.sidecar import (
    MethodReport,
    Sidecar,
    labels_folder,
    sidecar_path,
    tool_versions,
)
from export.core.task_proof import TaskProof
from minivlm.errors import UserError
from minivlm.models.registry import vision_language_config
from minivlm.storage.files import sha256
from minivlm.weights.labels import random_labels
from minivlm.weights.loading import WeightsOrigin
from tests.export.core.test_task_proof import VQA

CONTENT = b"some program"
SIDECAR = Sidecar(
    model="tee-tiny",
    runtime="executorch",
    precision="fp32",
    weights=WeightsOrigin.of_seed(0),
    methods=[
        MethodReport(
            "forward",
            inputs=[TensorSpec("image", [1, 3, 128, 128], "float32")],
            outputs=[TensorSpec("tags", [10], "int64")],
            parity=[Metric("tags equal", 1.0, 0.98), Metric("error", 0.001, 0.01, at_least=False)],
            macs=1000,
            delegated_macs=0.99,
        )
    ],
    kept_float=["rpn"],
    calibration={"samples": 6, "photos": ["flower.jpg"], "skipped": [], "sha256": "ab"},
    proof=[Metric("caption tokens equal", 1.0, 0.9)],
    photo="china.jpg",
    bytes=len(CONTENT),
    sha256=hashlib.sha256(CONTENT).hexdigest(),
    seconds={"lower": 1.5},
    versions={"torch": "2"},
    tasks=TaskProof(data="test", floor=0.97, tasks=[VQA]),
    accelerators=[
        AcceleratorProof(
            "gpu",
            "fp16",
            Adapter("llvmpipe", software=True),
            methods=[
                AcceleratedMethod("forward", Placement(3, 1.0, ("SUM",)), [Metric("pieces", 3, 3, at_least=False)])
            ],
            whole=[],
        )
    ],
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
    assert content["weights"] == {"description": "random (seed 0)", "random": True, "sha256": None, "seed": 0}
    assert content["methods"][0]["inputs"] == [{"name": "image", "shape": [1, 3, 128, 128], "dtype": "float32"}]
    assert content["format"] == 2


def test_of_other_bytes_is_refused(artifact):
    SIDECAR.write(artifact)
    artifact.write_bytes(CONTENT + b".")
    assert "describes other bytes" in refusal(artifact)


def test_that_is_missing_is_named(artifact):
    assert "tee-tiny-executorch-fp32.json" in refusal(artifact)


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "3", "null", "{}", "NaN", "[" * 100_000, '{"format": 2}', '{"format": 2, "methods": [3]}'],
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
    assert labels_folder(path) == tmp_path / "tee-0-executorch-fp32-words"


def test_versions_leave_out_what_is_not_installed():
    found = tool_versions("torch", "no-such-package-at-all")
    assert found.keys() == {"python", "machine", "torch"}
    assert found["torch"].startswith(torch.__version__.split("+")[0])


FIELDS = json.loads(json.dumps(asdict(SIDECAR)))
OTHERS = [None, True, 3, -1.5, "x", [], {}, [None], {"a": 1}, 10**30]


def places(value: object, path: tuple = ()) -> list[tuple]:
    """Paths of all values within a JSON value."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for key, child in children for found in [(*path, key), *places(child, (*path, key))]]


def at(content: dict, path: tuple) -> object:
    for key in path:
        content = content[key]
    return content


@pytest.mark.parametrize("place", places(FIELDS), ids=lambda place: ".".join(map(str, place)))
class TestAFieldOfAnotherType:
    """Whatever is changed, a sidecar is read as one, or refused in one line."""

    def test_or_missing(self, artifact, place):
        for other in [*OTHERS, ...]:
            content = json.loads(json.dumps(FIELDS))
            holder = at(content, place[:-1])
            if other is ...:
                del holder[place[-1]]
            else:
                holder[place[-1]] = other
            sidecar_path(artifact).write_text(json.dumps(content))
            message = ""
            try:
                Sidecar.read(artifact)
            except UserError as error:
                message = str(error)
            assert "\n" not in message
            assert not message or "export again" in message


@pytest.mark.parametrize(
    ("field", "value"),
    [("model", 3), ("bytes", "12"), ("methods", {}), ("seconds", [1.5]), ("weights", "random"), ("sha256", None)],
)
def test_a_field_of_another_type_is_named(artifact, field, value):
    sidecar_path(artifact).write_text(json.dumps({**FIELDS, field: value}))
    assert f"({field}" in refusal(artifact)


def test_from_before_tasks_were_scored_is_read(artifact):
    content = {key: value for key, value in FIELDS.items() if key != "tasks"}
    sidecar_path(artifact).write_text(json.dumps(content))
    assert Sidecar.read(artifact) == replace(SIDECAR, tasks=None)


def test_keys_of_a_later_version_are_left_alone(artifact):
    sidecar_path(artifact).write_text(json.dumps({**FIELDS, "colour": "blue"}))
    assert Sidecar.read(artifact) == SIDECAR


@pytest.mark.parametrize("shape", [[], [1, 3], [1, 3, 0, 128], [1, 3, 128, -1]])
def test_an_image_without_a_size_is_refused(artifact, shape):
    content = json.loads(json.dumps(FIELDS))
    content["methods"][0]["inputs"][0]["shape"] = shape
    sidecar_path(artifact).write_text(json.dumps(content))
    assert "an image of shape" in refusal(artifact)


class TestInterface:
    """The sidecar against what the artifact itself declares."""

    TOLD = Interface(SIDECAR.methods[0].inputs, SIDECAR.methods[0].outputs)

    def test_that_agrees_is_taken_also_without_names(self, artifact):
        nameless = Interface(
            *([replace(spec, name="") for spec in side] for side in (self.TOLD.inputs, self.TOLD.outputs))
        )
        for told in (self.TOLD, nameless):
            SIDECAR.check_interface(artifact, {"forward": told})

    @pytest.mark.parametrize(
        "change", [{"shape": [1, 3, 96, 96]}, {"dtype": "int32"}, {"name": "picture"}], ids=lambda change: str(change)
    )
    def test_that_differs_is_refused(self, artifact, change):
        other = replace(self.TOLD, inputs=[replace(self.TOLD.inputs[0], **change)])
        with pytest.raises(UserError, match="describes another method 'forward'"):
            SIDECAR.check_interface(artifact, {"forward": other})

    def test_of_a_method_that_it_does_not_know_is_refused(self, artifact):
        with pytest.raises(UserError, match="describes another method 'step'"):
            SIDECAR.check_interface(artifact, {"step": self.TOLD})


class TestLabels:
    @pytest.fixture
    def sidecar(self, artifact) -> Sidecar:
        folder = labels_folder(artifact)
        folder.mkdir()
        (folder / "vocab.txt").write_text("a\nb\n")
        (folder / "tags.txt").write_text("cat\ndog\n")
        return replace(SIDECAR, words={file.name: sha256(file) for file in folder.iterdir()})

    def test_that_belong_to_the_artifact_are_taken(self, artifact, sidecar):
        assert sidecar.check_labels(artifact) == labels_folder(artifact)

    def test_of_as_many_other_lines_are_refused(self, artifact, sidecar):
        (labels_folder(artifact) / "vocab.txt").write_text("b\na\n")
        with pytest.raises(UserError, match=r"vocab.txt is not the file that .* was exported with"):
            sidecar.check_labels(artifact)

    def test_that_are_missing_are_named(self, artifact, sidecar):
        (labels_folder(artifact) / "tags.txt").unlink()
        with pytest.raises(UserError, match=r"there is no .*tags.txt"):
            sidecar.check_labels(artifact)

    def test_a_sidecar_from_before_words_had_hashes_is_refused(self, artifact):
        with pytest.raises(UserError, match="does not say which labels belong to the artifact: export again"):
            SIDECAR.check_labels(artifact)


def test_feeding_is_read_back_as_it_was_written(artifact):
    config = vision_language_config("minivlm-tiny")
    whole = replace(SIDECAR, feeding=feeding_of(config, (128, 128), random_labels(config)))
    whole.write(artifact)
    assert Sidecar.read(artifact) == whole
