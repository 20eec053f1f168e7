"""Export to ExecuTorch with other delegates than XNNPACK, from the command line to what the sidecar says.

Core ML is not here: its pieces are run by the reference executor, everything else of the file by ExecuTorch's runtime.
Vulkan is not here either, and nothing stands in for it.
"""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from executorch.exir._serialize._program import deserialize_pte_binary, serialize_pte_binary

from bench.scores.candidates import candidates
from export.backends.executorch import exporter
from export.backends.executorch.convert import LoweredProgram
from export.backends.executorch.program import ExecuTorchProgram
from export.core.catalogue import fusion_method, regions_method
from export.core.identity import find_artifact
from export.core.lowering import LOWERED, REFERENCE, RUN
from export.core.request import parse_request
from export.core.sidecar import Sidecar
from export.verify.comparison import compare, run_reference, settle
from export.verify.tolerances import TOLERANCES
from minivlm.errors import UserError
from minivlm.images.photos import default_photo
from minivlm.weights.loading import WeightsOrigin, create_model
from tests.export.executorch_command import refused, save

pytest.importorskip("coremltools")
TARGET = exporter.FORMAT
TEE = "tee-tiny"
MINILM = "minilm-tiny"


class TestCoreML:
    def test_its_name_tells_it_from_xnnpack_s(self, exported):
        made = exported(MINILM, delegate="coreml")
        names = sorted(path.name for path in made.artifact.parent.iterdir())
        assert names == ["minilm-tiny-executorch-coreml-fp32.json", "minilm-tiny-executorch-coreml-fp32.pte"]

    def test_a_detector_s_dense_part_is_three_pieces_and_holds_every_multiply_add(self, exported):
        """Backbone and RPN; behind the choice of proposals the box head; behind that of regions the attribute head."""
        sidecar = Sidecar.read(exported(TEE, delegate="coreml").artifact)
        (method,) = sidecar.methods
        pieces = [piece for piece in method.lowering.pieces if piece.delegate == "coreml"]
        assert (sidecar.delegate, sidecar.status, len(pieces)) == ("coreml", "proven", 3)
        assert sum(piece.macs for piece in pieces) == method.macs
        assert {piece.status for piece in pieces} == {REFERENCE}
        assert {piece.status for piece in method.lowering.pieces if piece.delegate == "xnnpack"} == {RUN}
        assert {"aten.topk.default", "aten.index_select.default", "scan"} <= method.lowering.outside.keys()

    @pytest.mark.parametrize("model", [TEE, MINILM])
    def test_each_piece_and_the_whole_compute_what_pytorch_computes(self, exported, model):
        (method,) = Sidecar.read(exported(model, delegate="coreml").artifact).methods
        assert all(metric.passed for metric in method.metrics)
        parities = [piece.parity for piece in method.lowering.pieces if piece.delegate == "coreml"]
        assert all(len(parity) == 1 and parity[0].bound == TOLERANCES["fp32"].tensor_sqnr for parity in parities)

    def test_another_photo_s_regions_equal_pytorch_s(self, exported):
        photo = default_photo().with_name("flower.jpg")
        method = regions_method("forward", create_model(TEE), None, photo)
        given = ExecuTorchProgram(exported(TEE, delegate="coreml").artifact).run("forward", method.example)
        expected = settle(method, method.example, run_reference(method, method.example), given)
        metrics = compare(method, expected, given, TOLERANCES["fp32"])
        assert all(metric.passed for metric in metrics), [str(metric) for metric in metrics]

    def test_the_closing_lines_say_where_it_runs_and_send_nobody_to_time_it(self, exported):
        stdout = exported(MINILM, delegate="coreml").stdout
        assert "100.0% of them in ExecuTorch with Core ML in 1 piece" in stdout
        assert stdout.splitlines()[-1] == (
            "Next: take it to a device that has the accelerator, see docs/accelerators.md"
        )


def with_fault(content: bytes, weights: torch.Tensor) -> bytes:
    """Return a program with one weight of a Core ML piece altered: its rows in reverse order."""
    file = deserialize_pte_binary(content)
    stored, altered = weights.numpy().tobytes(), weights.flip(0).numpy().tobytes()
    held = [data for data in file.program.backend_delegate_data if stored in data.data]
    assert len(held) == 1, "the piece holds the weights as they are"
    held[0].data = held[0].data.replace(stored, altered)
    return bytes(serialize_pte_binary(file, extract_delegate_segments=True))


class TestPlantedFault:
    @pytest.fixture
    def planted(self, exported, monkeypatch):
        """Lowering is replaced by the finished file, one weight of its payload altered."""
        made = exported(MINILM, delegate="coreml")
        weights = create_model(MINILM).get_parameter("encoder.layers.0.output.weight").detach()
        content = with_fault(made.artifact.read_bytes(), weights)
        program = SimpleNamespace(buffer=content)
        lowered = LoweredProgram(program, {"forward": 0}, {}, {"forward": []})
        monkeypatch.setattr(exporter, "export_program", lambda method, recipe: None)
        monkeypatch.setattr(exporter, "lower", lambda methods, programs, recipe: lowered)

    @pytest.mark.usefixtures("planted")
    def test_in_a_payload_fails_the_proof_and_leaves_nothing(self, tmp_path, capsys):
        line = refused(capsys, "--model", MINILM, "--delegate", "coreml", "--output", str(tmp_path))
        assert "does not compute what the model computes" in line
        assert "caption_logits SQNR dB" in line
        assert list(tmp_path.iterdir()) == []


class TestVulkan:
    def test_is_lowered_and_never_called_proven(self, exported):
        made = exported(MINILM, delegate="vulkan")
        sidecar = Sidecar.read(made.artifact)
        (method,) = sidecar.methods
        assert made.artifact.name == "minilm-tiny-executorch-vulkan-fp32.pte"
        assert (sidecar.delegate, sidecar.status, sidecar.proof, method.parity) == ("vulkan", LOWERED, [], [])
        (piece,) = method.lowering.pieces
        assert (piece.delegate, piece.macs, piece.status) == ("vulkan", method.macs, LOWERED)
        assert method.lowering.outside == {"aten.embedding.default": 3}
        assert "proven" not in made.sidecar.read_text()
        assert "1 piece; lowered, not run" in made.stdout

    def test_its_interface_is_the_file_s_own(self, exported):
        method = fusion_method("forward", create_model(MINILM))
        (described,) = json.loads(exported(MINILM, delegate="vulkan").sidecar.read_text())["methods"]
        shapes = {spec["name"]: spec["shape"] for spec in described["inputs"]}
        assert shapes == {name: list(tensor.shape) for name, tensor in method.inputs.items()}

    def test_running_it_is_refused_in_one_line(self, exported):
        program = ExecuTorchProgram(exported(MINILM, delegate="vulkan").artifact)
        with pytest.raises(UserError, match="is lowered to VulkanBackend, which the runtime here lacks"):
            program.run("forward", fusion_method("forward", create_model(MINILM)).example)


class TestLookingUp:
    """Nobody who asks for an artifact by model, runtime and precision gets one of another delegate."""

    def test_by_name(self, exported):
        made = exported(MINILM, delegate="coreml")
        flags = ["--model", MINILM, "--output", str(made.artifact.parent)]
        assert find_artifact(parse_request("", TARGET, flags)).name == "minilm-tiny-executorch-fp32.pte"
        assert find_artifact(parse_request("", TARGET, [*flags, "--delegate", "coreml"])) == made.artifact

    def test_by_a_name_that_is_another_s(self, exported, tmp_path):
        made = exported(MINILM, delegate="coreml")
        (tmp_path / "minilm-tiny-executorch-fp32.pte").write_bytes(made.artifact.read_bytes())
        (tmp_path / "minilm-tiny-executorch-fp32.json").write_bytes(made.sidecar.read_bytes())
        found = find_artifact(parse_request("", TARGET, ["--model", MINILM, "--output", str(tmp_path)]))
        assert found.name == "minilm-tiny-executorch-fp32-seed0.pte"

    def test_by_the_folder_that_is_scored(self, exported):
        folder = exported(TEE, delegate="coreml").artifact.parent
        detector = SimpleNamespace(model=TEE, origin=WeightsOrigin.of_seed(0))
        with pytest.raises(UserError, match="holds no artifact of tee-tiny"):
            candidates([folder], detector)
        (_, named) = candidates([exported(TEE, delegate="coreml").artifact], detector)
        assert named.name == "executorch-coreml fp32"


class TestMistakes:
    """Each is refused before the long work, in one line, with exit code 2, and leaves no file."""

    @pytest.fixture(autouse=True)
    def _nothing_is_lowered(self, monkeypatch):
        def fail(*_: object) -> None:
            raise AssertionError("lowering began")

        monkeypatch.setattr(exporter, "export_program", fail)

    @pytest.mark.parametrize(
        ("flags", "parts"),
        [
            (["--delegate", "corml"], ["unknown delegate 'corml'", "did you mean coreml?"]),
            (["--delegate", "nnapi"], ["unknown delegate 'nnapi'", "did you mean xnnpack or qnn?"]),
            (["--delegate", ""], ["--delegate"]),
            (["--delegate", "coreml", "--precision", "int8"], ["Core ML takes no int8", "--delegate xnnpack for int8"]),
            (["--delegate", "vulkan", "--precision", "int8"], ["Vulkan takes no int8", "fp32 or fp16"]),
            (["--delegate", "xnnpack", "--precision", "fp9"], ["unknown precision 'fp9'"]),
        ],
    )
    def test_of_delegates_and_precisions(self, tmp_path, capsys, flags, parts):
        line = refused(capsys, "--model", TEE, *flags, "--output", str(tmp_path / "out"))
        assert all(part in line for part in parts), line
        assert not list(tmp_path.rglob("*.*"))

    def test_scores_of_what_cannot_be_run(self, tmp_path, capsys):
        checkpoint = save(tmp_path / "run", TEE)
        flags = ["--checkpoint", str(checkpoint), "--delegate", "vulkan", "--evaluate", str(Path(__file__).parent)]
        line = refused(capsys, *flags, "--output", str(tmp_path / "out"))
        assert "--evaluate goes with an artifact that runs here, and the runtime here has no VulkanBackend" in line

    def test_tools_that_are_missing(self, tmp_path, capsys, monkeypatch):
        monkeypatch.setattr("export.core.formats.find_spec", lambda name: None if name == "coremltools" else object())
        line = refused(capsys, "--model", TEE, "--delegate", "coreml", "--output", str(tmp_path))
        assert "ExecuTorch with Core ML needs coremltools, not installed here: pip install -e '.[coreml]'" in line
        assert list(tmp_path.iterdir()) == []
