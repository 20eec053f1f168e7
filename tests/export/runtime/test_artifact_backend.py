"""Tasks from an artifact alone: what the exported whole model says is what PyTorch says."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from export.core.interface import Interface
from export.core.sidecar import Sidecar, labels_folder, sidecar_path
from export.runtime.artifact_backend import ArtifactBackend, backend_of, open_backend
from export.runtime.program import Program, load_program, open_program
from minivlm.cli import main as cli
from minivlm.errors import UserError
from minivlm.images.photos import default_photo
from minivlm.inference.backend import Backend, load_torch_backend
from minivlm.inference.pipeline import Pipeline

PHOTOS = [default_photo(), default_photo().with_name("flower.jpg")]
TEXT = "a temple by a lake"
METHODS = ["match", "nlvr2", "prefill", "regions", "step", "vqa"]


@pytest.fixture(scope="module")
def artifact(exported) -> Path:
    return exported("minivlm-tiny").artifact


@pytest.fixture(scope="module")
def backends(artifact) -> tuple[Backend, ArtifactBackend]:
    return load_torch_backend("minivlm-tiny"), open_backend(artifact, threads=1)


@pytest.fixture
def pipelines(backends) -> tuple[Pipeline, Pipeline]:
    return Pipeline(backends[0]), Pipeline(backends[1])


@pytest.mark.parametrize("photo", PHOTOS, ids=lambda path: path.stem)
@pytest.mark.parametrize("beams", [1, 3])
def test_captions_have_the_same_tokens(pipelines, photo, beams):
    expected, given = (pipeline.caption(pipeline.regions(photo), beams=beams) for pipeline in pipelines)
    assert given.token_ids == expected.token_ids
    # Tolerance: fp32 in another order, over 19 steps of logits up to 8 large.
    assert given.score == pytest.approx(expected.score, abs=1e-3)


@pytest.mark.parametrize("photo", PHOTOS, ids=lambda path: path.stem)
def test_regions_have_the_same_tags_and_boxes(pipelines, photo):
    expected, given = (pipeline.regions(photo) for pipeline in pipelines)
    assert given.tags.tolist() == expected.tags.tolist()
    # Tolerance: a twentieth of a pixel of the photo, which is five times the network's input.
    torch.testing.assert_close(given.boxes, expected.boxes, atol=0.05, rtol=0)


@pytest.mark.parametrize("photo", PHOTOS, ids=lambda path: path.stem)
def test_regions_have_the_same_attributes_with_the_same_names(pipelines, photo):
    expected, given = (pipeline.regions(photo) for pipeline in pipelines)
    assert given.attributes.tolist() == expected.attributes.tolist()
    torch.testing.assert_close(given.attribute_scores, expected.attribute_scores, atol=1e-4, rtol=0)  # fp32 softmax
    words = [pipeline.phrases(found) for pipeline, found in zip(pipelines, (expected, given), strict=True)]
    assert words[0] == words[1]
    assert any(" " in phrase for phrase in words[0])


class BeforeAttributes:
    """The artifact as earlier versions exported it: no attributes among the outputs."""

    def __init__(self, program: Program) -> None:
        self._program = program

    def __getattr__(self, name: str) -> Any:
        return getattr(self._program, name)

    def interface(self, method: str) -> Interface:
        told = self._program.interface(method)
        return Interface(told.inputs, told.outputs if method != "regions" else [*told.outputs[:5], *told.outputs[7:]])

    def run(self, method: str, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        found = self._program.run(method, inputs)
        return found if method != "regions" else (*found[:5], *found[7:])


def test_an_artifact_from_before_there_were_attributes_still_does_every_task(artifact, pipelines, tmp_path):
    copy = copied_to(tmp_path, artifact)
    described = json.loads(sidecar_path(copy).read_text())
    (regions,) = (method for method in described["methods"] if method["name"] == "regions")
    regions["outputs"] = [spec for spec in regions["outputs"] if "attribute" not in spec["name"]]
    for field in ("attribute_classes", "attribute_names", "no_attribute"):
        del described["feeding"]["regions"][field]
    del described["words"]["attributes.txt"]
    (labels_folder(copy) / "attributes.txt").unlink()
    sidecar_path(copy).write_text(json.dumps(described))
    program = BeforeAttributes(load_program(copy, threads=1))
    pipeline = Pipeline(backend_of(copy, Sidecar.read(copy), program))
    found = pipeline.regions(PHOTOS[0])
    assert (found.attributes, found.attribute_scores) == (None, None)
    assert pipeline.phrases(found) == pipelines[0].tag_names(pipelines[0].regions(PHOTOS[0]))
    assert pipeline.caption(found).text == pipelines[0].caption(pipelines[0].regions(PHOTOS[0])).text


def copied_to(folder: Path, artifact: Path) -> Path:
    copy = folder / artifact.name
    shutil.copy(artifact, copy)
    shutil.copy(sidecar_path(artifact), sidecar_path(copy))
    shutil.copytree(labels_folder(artifact), labels_folder(copy))
    return copy


def test_the_task_heads_give_the_same_probabilities(pipelines):
    def probabilities(pipeline: Pipeline) -> list[float]:
        left, right = (pipeline.regions(photo) for photo in PHOTOS)
        return [
            *(answer.probability for answer in pipeline.answer(left, TEXT).best),
            pipeline.judge(left, right, TEXT).probability,
            pipeline.match(TEXT, right).probability,
            *(match.probability for match in pipeline.match_all([(TEXT, left), ("a red flower", left)])),
        ]

    expected, given = (probabilities(pipeline) for pipeline in pipelines)
    # Tolerance: fp32 logits of about unit size through a sigmoid.
    assert given == pytest.approx(expected, abs=1e-4)


def test_the_command_line_runs_it(artifact, capsys):
    cli.main(["caption", str(PHOTOS[0]), "--artifact", str(artifact)])
    from_artifact = capsys.readouterr().out
    cli.main(["caption", str(PHOTOS[0]), "--model", "minivlm-tiny"])
    assert from_artifact == capsys.readouterr().out != ""


def test_it_offers_every_method_of_the_model(backends):
    assert backends[1]._program.methods == METHODS
    assert backends[1].config.heads == ("vqa", "nlvr2", "match")


class TestMistakes:
    @pytest.fixture
    def copied(self, artifact, tmp_path) -> Path:
        return copied_to(tmp_path, artifact)

    def test_no_such_file(self, tmp_path):
        with pytest.raises(UserError, match="does not exist"):
            open_backend(tmp_path / "none.pte")

    def test_no_sidecar(self, copied):
        sidecar_path(copied).unlink()
        with pytest.raises(UserError, match="beside it"):
            open_backend(copied)

    def test_a_damaged_sidecar(self, copied):
        sidecar_path(copied).write_text("{")
        with pytest.raises(UserError, match="not a sidecar"):
            open_backend(copied)

    def test_another_artifact_s_sidecar(self, copied):
        path = sidecar_path(copied)
        path.write_text(path.read_text().replace('"sha256": "', '"sha256": "0'))
        with pytest.raises(UserError, match="describes other bytes"):
            open_backend(copied)

    def test_words_that_do_not_fit(self, copied):
        """As many lines, and another order: every caption would be another one."""
        file = labels_folder(copied) / "vocab.txt"
        file.write_text("".join(reversed(file.read_text().splitlines(keepends=True))))
        with pytest.raises(UserError, match=r"vocab.txt is not the file that .* was exported with"):
            open_backend(copied)

    def test_a_sidecar_with_another_image_size(self, copied):
        """Everything else agrees, the hash included."""
        content = json.loads(sidecar_path(copied).read_text())
        regions = next(method for method in content["methods"] if method["name"] == "regions")
        next(spec for spec in regions["inputs"] if spec["name"] == "image")["shape"] = [1, 3, 96, 160]
        sidecar_path(copied).write_text(json.dumps(content))
        with pytest.raises(UserError, match="describes another method 'regions'"):
            open_backend(copied)

    def test_damaged_first_bytes_are_told_before_the_runtime_sees_them(self, copied):
        """The runtime would end this process."""
        content = copied.read_bytes()
        copied.write_bytes(bytes(64) + content[64:])
        for opens in (open_backend, open_program):
            with pytest.raises(UserError, match="describes other bytes"):
                opens(copied)

    def test_an_artifact_of_a_part(self, exported):
        with pytest.raises(UserError, match="only a part"):
            open_backend(exported("minilm-tiny").artifact)


@pytest.mark.full
def test_the_real_model_stores_each_weight_once(exported):
    """The file is at most 1.1 times the size of its weights, although five methods share the transformer."""
    made = exported("minivlm")
    module = load_torch_backend("minivlm").module
    parts = (module.vision.backbone, module.vision.rpn, module.vision.box_head, module.language, module.heads)
    weights = sum(parameter.numel() * 4 for part in parts for parameter in part.parameters())
    assert made.artifact.stat().st_size <= 1.1 * weights
