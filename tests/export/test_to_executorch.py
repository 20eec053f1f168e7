"""Export to ExecuTorch from the command line to a file that is proven, described and usable."""

import hashlib
import json
from types import SimpleNamespace

import pytest
import torch

from export import to_executorch
from export.backends.executorch import exporter
from export.backends.executorch.convert import LoweredProgram
from export.backends.executorch.program import ExecuTorchProgram
from export.core.catalogue import fusion_method, regions_method
from export.core.methods import Method
from export.core.sidecar import Sidecar
from export.verify.comparison import compare, run_reference
from export.verify.metrics import compare_tensors
from export.verify.tolerances import TOLERANCES
from minivlm.images.photos import default_photo
from minivlm.weights.loading import create_model
from tests.export.executorch_command import refused

MODELS = ["tee-tiny", "minilm-tiny"]
INPUTS = {
    "tee-tiny": {"image": [1, 3, 128, 128], "extent": [2]},
    "minilm-tiny": {  # Table 2: 35 text tokens and 50 regions of 1030 numbers
        "token_ids": [1, 35],
        "token_types": [1, 35],
        "positions": [1, 35],
        "regions": [1, 50, 1030],
        "mask": [1, 1, 85],
    },
}
OUTPUTS = {
    "tee-tiny": {
        "features": [10, 64],
        "boxes": [10, 4],
        "geometry": [10, 6],
        "tags": [10],
        "scores": [10],
        "attributes": [10],
        "attribute_scores": [10],
        "proposals": [40, 4],
    },
    "minilm-tiny": {"pooled": [1, 32], "caption_logits": [1, 35, 400]},
}
INTEGERS = {"token_ids", "token_types", "positions", "tags", "attributes"}


def described(specs: list[dict]) -> dict[str, list[int]]:
    assert all(spec["dtype"] == ("int64" if spec["name"] in INTEGERS else "float32") for spec in specs)
    return {spec["name"]: spec["shape"] for spec in specs}


class TestFiles:
    @pytest.mark.parametrize("model", MODELS)
    def test_are_the_artifact_and_its_sidecar_and_nothing_else(self, exported, model):
        made = exported(model)
        assert sorted(path.name for path in made.artifact.parent.iterdir()) == [made.sidecar.name, made.artifact.name]

    @pytest.mark.parametrize("model", MODELS)
    def test_the_sidecar_describes_the_artifact(self, exported, model):
        made = exported(model)
        content, sidecar = made.artifact.read_bytes(), json.loads(made.sidecar.read_text())
        assert (sidecar["bytes"], sidecar["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
        assert (sidecar["model"], sidecar["runtime"], sidecar["precision"]) == (model, "executorch", "fp32")
        assert sidecar["weights"] == {"description": "random (seed 0)", "random": True, "sha256": None, "seed": 0}
        assert sidecar["photo"] == "china.jpg"
        assert {"python", "torch", "executorch"} <= sidecar["versions"].keys()
        assert sum(sidecar["seconds"].values()) > 1.0
        (method,) = sidecar["methods"]
        assert method["name"] == "forward"
        assert described(method["inputs"]) == INPUTS[model]
        assert described(method["outputs"]) == OUTPUTS[model]
        assert Sidecar.read(made.artifact).sha256 == sidecar["sha256"]

    @pytest.mark.parametrize("model", MODELS)
    def test_every_metric_keeps_its_bound_and_nearly_all_work_is_delegated(self, exported, model):
        (method,) = json.loads(exported(model).sidecar.read_text())["methods"]
        assert len(method["parity"]) >= 2
        for metric in method["parity"]:
            value, bound = metric["value"], metric["bound"]
            assert value >= bound if metric["at_least"] else value <= bound
        assert method["delegated_macs"] > 0.9
        assert method["macs"] > 0

    def test_multiply_adds_are_those_of_the_formula(self, exported):
        # 2 layers of width 32 with 64 inside, 85 rows; decoder of 400 words on 35 rows; regions of 1030 numbers.
        layers, h, i, rows, text = 2, 32, 64, 85, 35
        expected = layers * (rows * (4 * h * h + 2 * h * i) + 2 * rows * rows * h)
        expected += text * (h * h + 400 * h) + 50 * 1030 * h + h * h
        assert Sidecar.read(exported("minilm-tiny").artifact).methods[0].macs == expected

    @pytest.mark.parametrize("model", MODELS)
    def test_the_closing_lines_say_where_how_large_how_exact_and_what_next(self, exported, model):
        made = exported(model)
        assert str(made.artifact) in made.stdout
        assert str(made.sidecar) in made.stdout
        assert " MB in " in made.stdout
        assert "random (seed 0)" in made.stdout
        assert "FAILED" not in made.stdout
        *_, last = made.stdout.splitlines()
        assert last.startswith("Next: ")
        assert model in last
        assert str(made.artifact.parent) in last


class TestOutputs:
    """On other inputs than those that the export itself compared."""

    def test_regions_of_another_photo_equal_pytorch_s(self, exported):
        photo = default_photo().with_name("flower.jpg")
        method = regions_method("forward", create_model("tee-tiny"), None, photo)
        expected = run_reference(method, method.example)
        given = ExecuTorchProgram(exported("tee-tiny").artifact).run("forward", method.example)
        metrics = compare(method, expected, given, TOLERANCES["fp32"])
        assert all(metric.passed for metric in metrics), [str(metric) for metric in metrics]

    def test_a_photo_with_few_regions_fills_the_rows_as_pytorch_does(self, exported):
        method = regions_method("forward", create_model("tee-tiny"), None, default_photo())
        example = (method.inputs["image"], torch.tensor([3.0, 4.0]))  # as if the photo had 3 x 4 pixels
        expected = dict(zip(method.outputs, method.module(*example), strict=True))
        given = dict(
            zip(method.outputs, ExecuTorchProgram(exported("tee-tiny").artifact).run("forward", example), strict=True)
        )
        scores, given_scores = expected["scores"], given["scores"]
        assert 0 < (scores > 0.0).sum() < 10
        assert torch.equal(scores > 0.0, given_scores > 0.0)
        # a thousandth of a pixel
        torch.testing.assert_close(given["proposals"], expected["proposals"], atol=1e-3, rtol=0)

    def test_other_tokens_regions_and_masks_give_pytorch_s_vectors(self, exported):
        module = create_model("minilm-tiny")
        method, generator = fusion_method("forward", module), torch.Generator().manual_seed(1)
        mask = torch.where(torch.rand(1, 1, 85, generator=generator) < 0.3, -10000.0, 0.0)
        inputs = {
            **method.inputs,
            "token_ids": torch.randint(400, (1, 35), generator=generator),
            "regions": torch.randn(1, 50, 1030, generator=generator),
            "mask": mask,
        }
        program = ExecuTorchProgram(exported("minilm-tiny").artifact)
        given = program.run("forward", list(inputs.values()))
        for metric in compare_tensors(method.outputs, module(*inputs.values()), given, TOLERANCES["fp32"]):
            assert metric.passed, str(metric)

    def test_outputs_of_one_run_survive_the_next(self, exported):
        method = fusion_method("forward", create_model("minilm-tiny"))
        program = ExecuTorchProgram(exported("minilm-tiny").artifact)
        first = program.run("forward", method.example)
        kept = [output.clone() for output in first]
        program.run("forward", [*method.example[:3], method.inputs["regions"] + 1.0, method.inputs["mask"]])
        assert all(torch.equal(now, before) for now, before in zip(first, kept, strict=True))


class TestFailedVerification:
    """Lowering is replaced by the finished artifact of seed 0, while PyTorch runs seed 1: a wrong program, for real."""

    @pytest.fixture
    def lowered_wrongly(self, exported, monkeypatch, request) -> str:
        content = exported(request.param).artifact.read_bytes()
        program = SimpleNamespace(buffer=content)
        monkeypatch.setattr(exporter, "export_program", lambda method, recipe: None)
        lowered = LoweredProgram(program, {"forward": 0}, {}, {})
        monkeypatch.setattr(exporter, "lower", lambda methods, programs, recipe: lowered)
        return request.param

    @pytest.mark.parametrize(
        ("lowered_wrongly", "metrics"),
        [("tee-tiny", "regions matched at IoU 0.9"), ("minilm-tiny", "caption_logits SQNR dB")],
        indirect=["lowered_wrongly"],
    )
    def test_ends_with_exit_code_2_the_metrics_and_no_file(self, lowered_wrongly, metrics, tmp_path, capsys):
        line = refused(capsys, "--model", lowered_wrongly, "--seed", "1", "--output", str(tmp_path))
        assert "does not compute what the model computes" in line
        assert metrics in line
        assert "FAILED" in line
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("lowered_wrongly", ["minilm-tiny"], indirect=True)
    def test_leaves_an_earlier_artifact_as_it_was(self, lowered_wrongly, exported, tmp_path, capsys):
        earlier = {path.name: path.read_bytes() for path in exported(lowered_wrongly).artifact.parent.iterdir()}
        for name, content in earlier.items():
            (tmp_path / name).write_bytes(content)
        refused(capsys, "--model", lowered_wrongly, "--seed", "1", "--output", str(tmp_path))
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == earlier

    @pytest.mark.parametrize("lowered_wrongly", ["minilm-tiny"], indirect=True)
    def test_the_right_seed_passes_the_same_way(self, lowered_wrongly, tmp_path, capsys):
        to_executorch.main(["--model", lowered_wrongly, "--seed", "0", "--output", str(tmp_path)])
        assert len(list(tmp_path.iterdir())) == 2


def test_methods_of_the_example_run_in_pytorch_as_they_are_described():
    for method in (
        fusion_method("forward", create_model("minilm-tiny")),
        regions_method("forward", create_model("tee-tiny"), (96, 160), default_photo()),
    ):
        assert isinstance(method, Method)
        outputs = method.module(*method.example)
        assert type(outputs) is tuple
        assert len(outputs) == len(method.outputs)
        # torch.export takes two uses of one tensor for one input.
        assert len({tensor.data_ptr() for tensor in method.example}) == len(method.example)
