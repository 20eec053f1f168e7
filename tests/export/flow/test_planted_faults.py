"""An int8 artifact that goes wrong in one layer is refused; as it was made it is kept.

The fault: the scales of one layer's weights are half of what they should be. The detector knows its pictures
by heart, and all that it says passes through the layer.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from export.core.exporter import Built, Exporter
from export.core.formats import FORMATS, artifact_path, exporter_of
from export.core.methods import Method
from export.core.recipe import Recipe
from export.core.sidecar import Sidecar
from export.flow.command import run_exporter
from minivlm.console import Steps
from minivlm.errors import UserError
from tests.export.learnt import Learnt, learn_by_heart


@pytest.fixture(scope="module")
def learnt(tmp_path_factory: pytest.TempPathFactory) -> Learnt:
    return learn_by_heart(tmp_path_factory.mktemp("learnt"))


def export(learnt: Learnt, runtime: str, folder: Path) -> Path:
    """Export by the command line, calibrated on the pictures and judged on them."""
    flags = ["--checkpoint", str(learnt.checkpoint), "--precision", "int8", "--output", str(folder)]
    flags += ["--photo", str(learnt.images / "0.png"), "--calibration", str(learnt.images)]
    run_exporter(FORMATS[runtime], "", [*flags, "--evaluate", str(learnt.data)])
    return artifact_path(folder, "tee-tiny", FORMATS[runtime], "int8")


def plant(patch: pytest.MonkeyPatch, runtime: str) -> list[str]:
    """Let an exporter see half of the box head's first weights: the same whole numbers, their scales halved.

    Returns:
        Grows by the name of each weight that was halved.
    """
    planted: list[str] = []
    exporter = type(exporter_of(FORMATS[runtime]))
    plain = exporter.build

    def with_fault(self: Exporter, methods: Sequence[Method], recipe: Recipe, path: Path, steps: Steps) -> Built:
        weights = {
            id(weight): (name, weight.data)
            for method in methods
            for name, weight in method.module.named_parameters()
            if name.endswith("box_head.fc1.weight")
        }
        for name, weight in weights.values():
            planted.append(name)
            weight /= 2
        try:
            return plain(self, methods, recipe, path, steps)
        finally:
            for _, weight in weights.values():
                weight *= 2

    patch.setattr(exporter, "build", with_fault)
    return planted


SLOW = ("executorch", "coreml")
"""Formats whose exports, or whose reference executor, take minutes for what the others do in seconds."""


@pytest.mark.parametrize("runtime", [pytest.param(name, marks=[pytest.mark.full] * (name in SLOW)) for name in FORMATS])
class TestAnArtifact:
    def test_as_it_was_made_keeps_its_task(self, runtime: str, learnt: Learnt, tmp_path: Path) -> None:
        proof = Sidecar.read(export(learnt, runtime, tmp_path)).tasks
        assert proof is not None
        (found,) = proof.tasks
        assert (proof.data, found.task, found.examples) == ("data", "detection", len(list(learnt.images.iterdir())))
        assert found.least is not None
        assert found.least >= proof.floor == 0.97

    def test_with_half_of_a_layer_s_weights_is_refused(
        self, runtime: str, learnt: Learnt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        planted = plant(monkeypatch, runtime)
        with pytest.raises(UserError, match="and was not kept") as refused:
            export(learnt, runtime, tmp_path)
        assert planted
        assert "\n" not in str(refused.value)
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("runtime", ["onnx", "litert", "coreml", pytest.param("executorch", marks=pytest.mark.full)])
def test_of_random_weights_too_half_of_a_layer_is_refused_by_name(
    runtime: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No region's noise hides it: by arithmetic, the largest weight of a row is at 127 steps and belongs at 254."""
    plant(monkeypatch, runtime)
    with pytest.raises(UserError, match=r"worst difference in steps, detector\.box_head\.fc1 12[67]"):
        run_exporter(FORMATS[runtime], "", ["--model", "tee-tiny", "--precision", "int8", "--output", str(tmp_path)])
    assert list(tmp_path.iterdir()) == []


def test_the_sidecar_says_what_was_kept_of_what(learnt: Learnt, tmp_path: Path) -> None:
    """fp32 in ONNX Runtime finds what PyTorch finds: arithmetic gives shares of 1."""
    flags = ["--checkpoint", str(learnt.checkpoint), "--output", str(tmp_path), "--photo", str(learnt.images / "0.png")]
    run_exporter(FORMATS["onnx"], "", [*flags, "--evaluate", str(learnt.data), "--evaluate-limit", "3"])
    content = json.loads((tmp_path / "tee-tiny-onnx-fp32.json").read_text())["tasks"]
    (found,) = content["tasks"]
    assert (found["task"], found["metric"], found["examples"]) == ("detection", "VG mAP@.5", 3)
    assert (found["share"], found["paired_share"]) == (pytest.approx(1.0, abs=1e-6), 1.0)
    assert found["pytorch"] > 0.0
    assert len(found["data_sha256"]) == 64
