"""An artifact is found by what its sidecar and labels say it is of; one of anything else is left where it is."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from export.core.identity import find_artifact
from export.core.request import ExportRequest
from export.core.sidecar import Sidecar, labels_folder
from minivlm.errors import UserError
from minivlm.images.photos import default_photo
from minivlm.storage.files import sha256
from minivlm.weights.making import make_random
from tests.export.artifacts import described_as, handmade, renamed


def wanted(folder: Path, model: str = "minilm-tiny", precision: str = "fp32", **changes) -> ExportRequest:
    fields = {"checkpoint": None, "image_size": None, "output": folder, "photo": default_photo(), **changes}
    return ExportRequest("onnx", model, precision, **fields)


@pytest.fixture
def checkpoint(tmp_path) -> Path:
    make_random(tmp_path / "mine", "minivlm-tiny", seed=1, sizes={"tags": 12, "answers": 5})
    return tmp_path / "mine"


def short_hash(checkpoint: Path) -> str:
    return sha256(checkpoint / "model.safetensors")[:8]


class TestThePlainName:
    def test_is_taken_where_nothing_is(self, tmp_path, checkpoint):
        assert find_artifact(wanted(tmp_path / "none")).name == "minilm-tiny-onnx-fp32.onnx"
        name = find_artifact(wanted(tmp_path / "none", "minivlm-tiny", checkpoint=checkpoint)).name
        assert name == "minivlm-tiny-onnx-fp32.onnxpackage"

    @pytest.mark.parametrize("model", ["minilm-tiny", "tee-tiny", "minivlm-tiny"])
    def test_is_taken_where_the_artifact_fits(self, tmp_path, model):
        assert find_artifact(wanted(tmp_path, model)) == handmade(tmp_path, model)

    @pytest.mark.parametrize("model", ["minilm-tiny", "tee-tiny", "minivlm-tiny"])
    def test_is_taken_where_the_artifact_is_of_this_checkpoint(self, tmp_path, checkpoint, model):
        made = handmade(tmp_path, model, checkpoint=checkpoint)
        assert find_artifact(wanted(tmp_path, model, checkpoint=checkpoint)) == made
        moved = checkpoint.rename(checkpoint.with_name("moved"))
        assert find_artifact(wanted(tmp_path, model, checkpoint=moved)) == made, "a folder's name says nothing"

    def test_is_the_model_s_own_image_size_said_or_not(self, tmp_path):
        made = handmade(tmp_path, "tee-tiny")
        assert find_artifact(wanted(tmp_path, "tee-tiny", image_size=(128, 128))) == made


class TestAnotherName:
    """What has the plain name is of something else, and stays."""

    def test_of_other_random_weights(self, tmp_path):
        handmade(tmp_path, seed=0)
        assert find_artifact(wanted(tmp_path, seed=3)).name == "minilm-tiny-onnx-fp32-seed3.onnx"

    def test_of_a_checkpoint_beside_random_weights(self, tmp_path, checkpoint):
        handmade(tmp_path, "minivlm-tiny")
        name = find_artifact(wanted(tmp_path, "minivlm-tiny", checkpoint=checkpoint)).name
        assert name == f"minivlm-tiny-onnx-fp32-{short_hash(checkpoint)}-128x128.onnxpackage"

    def test_of_random_weights_beside_a_checkpoint(self, tmp_path, checkpoint):
        handmade(tmp_path, "minivlm-tiny", checkpoint=checkpoint)
        name = find_artifact(wanted(tmp_path, "minivlm-tiny")).name
        assert name == "minivlm-tiny-onnx-fp32-seed0-128x128.onnxpackage"

    def test_of_a_random_checkpoint_whose_seed_is_the_same(self, tmp_path):
        make_random(tmp_path / "same", "minivlm-tiny", seed=0)
        handmade(tmp_path, "minivlm-tiny", seed=0)
        name = find_artifact(wanted(tmp_path, "minivlm-tiny", checkpoint=tmp_path / "same")).name
        assert short_hash(tmp_path / "same") in name

    def test_of_another_image_size(self, tmp_path):
        handmade(tmp_path, "tee-tiny")
        name = find_artifact(wanted(tmp_path, "tee-tiny", image_size=(96, 160))).name
        assert name == "tee-tiny-onnx-fp32-seed0-96x160.onnx"

    def test_of_another_precision_whatever_the_file_is_called(self, tmp_path):
        path = renamed(handmade(tmp_path, precision="int8"), "fp32")
        assert path.name == "minilm-tiny-onnx-fp32.onnx"
        assert find_artifact(wanted(tmp_path)).name == "minilm-tiny-onnx-fp32-seed0.onnx"

    @pytest.mark.parametrize(
        "changes",
        [{"model": "tee-tiny"}, {"runtime": "litert"}, {"precision": "int8"}, {"sizes": {"layers": 3}}],
        ids=str,
    )
    def test_of_anything_else_that_the_sidecar_says(self, tmp_path, changes):
        described_as(handmade(tmp_path), **changes)
        assert find_artifact(wanted(tmp_path)).name == "minilm-tiny-onnx-fp32-seed0.onnx"

    def test_from_before_there_were_attributes(self, tmp_path):
        path = handmade(tmp_path, "tee-tiny")
        described_as(path, methods=[replace(method, outputs=[]) for method in Sidecar.read(path).methods])
        assert find_artifact(wanted(tmp_path, "tee-tiny")).name == "tee-tiny-onnx-fp32-seed0-128x128.onnx"

    @pytest.mark.parametrize("name", ["vocab.txt", "tags.txt", "attributes.txt", "answers.txt"])
    def test_of_other_words_in_the_checkpoint(self, tmp_path, checkpoint, name):
        handmade(tmp_path, "minivlm-tiny", checkpoint=checkpoint)
        lines = (checkpoint / name).read_text(encoding="utf-8").splitlines()
        (checkpoint / name).write_text("\n".join([*lines[:-1], "zebra"]) + "\n", encoding="utf-8")
        found = find_artifact(wanted(tmp_path, "minivlm-tiny", checkpoint=checkpoint)).name
        assert found == f"minivlm-tiny-onnx-fp32-{short_hash(checkpoint)}-128x128.onnxpackage"

    def test_where_it_is_damaged_or_what_belongs_to_it_is_missing(self, tmp_path):
        path = handmade(tmp_path / "bytes")
        path.write_bytes(b"other bytes")
        handmade(tmp_path / "sidecar").with_suffix(".json").unlink()
        shutil.rmtree(labels_folder(handmade(tmp_path / "words", "minivlm-tiny")))
        assert find_artifact(wanted(tmp_path / "bytes")).name == "minilm-tiny-onnx-fp32-seed0.onnx"
        assert find_artifact(wanted(tmp_path / "sidecar")).name == "minilm-tiny-onnx-fp32-seed0.onnx"
        assert find_artifact(wanted(tmp_path / "words", "minivlm-tiny")).name.endswith("-seed0-128x128.onnxpackage")


class TestItsOwnName:
    def test_is_found_again_whatever_became_of_the_plain_one(self, tmp_path):
        made = handmade(tmp_path, seed=3)
        own = tmp_path / "minilm-tiny-onnx-fp32-seed3.onnx"
        made.with_suffix(".json").rename(own.with_suffix(".json"))
        made.rename(own)
        assert find_artifact(wanted(tmp_path, seed=3)) == own
        handmade(tmp_path, seed=0)
        assert find_artifact(wanted(tmp_path, seed=3)) == own

    def test_is_never_taken_from_what_has_it(self, tmp_path):
        handmade(tmp_path, seed=0)
        for number in ("", "-2"):
            (tmp_path / f"minilm-tiny-onnx-fp32-seed3{number}.onnx").write_text("something else")
        assert find_artifact(wanted(tmp_path, seed=3)).name == "minilm-tiny-onnx-fp32-seed3-3.onnx"


def test_a_checkpoint_that_does_not_hold_the_model_is_refused(tmp_path, checkpoint):
    with pytest.raises(UserError, match="holds 'minivlm-tiny', not 'tee-0'"):
        find_artifact(wanted(tmp_path, "tee-0", checkpoint=checkpoint))
