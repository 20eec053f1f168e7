"""Export to Core ML from the command line to a package that is proven, described and usable."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from export.backends.coreml.convert import join
from export.backends.coreml.program import CoreMLProgram
from export.core.catalogue import fusion_method
from export.core.sidecar import Sidecar
from export.mil.executor import read_functions
from export.runtime.artifact_backend import open_backend
from export.runtime.program import open_program
from export.verify.comparison import compare, run_reference
from export.verify.tolerances import tolerances_of
from minivlm.errors import UserError
from minivlm.images.photos import default_photo
from minivlm.inference.backend import load_torch_backend
from minivlm.inference.pipeline import Pipeline
from minivlm.quiet import quiet
from minivlm.storage.files import sha256, size_bytes
from minivlm.weights.loading import create_model
from tests.export.mil.programs import saved

METHODS = ["match", "nlvr2", "prefill", "regions", "step", "vqa"]


class TestPart:
    """minilm-tiny in int8: 8-bit weights, computed in fp16."""

    @pytest.fixture(scope="class")
    def made(self, exported):
        return exported("minilm-tiny", "coreml", "int8")

    def test_the_package_and_its_sidecar_are_all_that_is_left(self, made):
        assert sorted(path.name for path in made.artifact.parent.iterdir()) == [made.sidecar.name, made.artifact.name]
        sidecar = Sidecar.read(made.artifact)
        assert (sidecar.runtime, sidecar.precision, sidecar.bytes) == ("coreml", "int8", size_bytes(made.artifact))
        assert sidecar.kept_float == []
        assert {rule["mode"] for rule in sidecar.quantization} == {"weight-only"}
        assert all(metric.passed for metric in sidecar.methods[0].parity)

    def test_other_inputs_give_pytorch_s_vectors_within_the_tolerances(self, made):
        module, generator = create_model("minilm-tiny"), torch.Generator().manual_seed(1)
        method = fusion_method("forward", module)
        inputs = list(method.inputs.values())
        inputs[0] = torch.randint(400, (1, 35), generator=generator)
        inputs[3] = torch.randn(1, 50, 1030, generator=generator)
        given = CoreMLProgram(made.artifact).run("forward", inputs)
        for metric in compare(
            method, run_reference(method, inputs), given, tolerances_of("coreml", "int8", random=True)
        ):
            assert metric.passed, str(metric)

    def test_every_weight_matrix_and_the_word_embeddings_are_8_bit(self, made):
        with quiet():
            function = read_functions(made.artifact)["forward"]
        large = [
            operation.outputs[0].shape
            for operation in function.operations
            if operation.op_type == "const" and operation.outputs[0].val is not None
            and getattr(operation.outputs[0].val, "dtype", None) in ("float16", "float32")
            and operation.outputs[0].val.size >= 2048
        ]  # fmt: skip
        assert large == []


class TestWhole:
    """minivlm-tiny in fp16: six functions on one set of weights."""

    @pytest.fixture(scope="class")
    def made(self, exported):
        return exported("minivlm-tiny", "coreml", "fp16")

    def test_has_a_function_a_method_and_keeps_every_tolerance(self, made):
        sidecar = Sidecar.read(made.artifact)
        assert CoreMLProgram(made.artifact).methods == METHODS
        assert sorted(method.name for method in sidecar.methods) == METHODS
        metrics = [metric for method in sidecar.methods for metric in method.parity] + list(sidecar.proof)
        assert len(metrics) > 15
        assert all(metric.passed for metric in metrics), [str(metric) for metric in metrics if not metric.passed]

    def test_weights_are_stored_once(self, made):
        """At most 1.1 times two bytes a parameter."""
        module = create_model("minivlm-tiny")
        parameters = sum(tensor.numel() for tensor in module.parameters())
        (weights,) = made.artifact.rglob("weight.bin")
        assert weights.stat().st_size <= 1.1 * 2 * parameters

    def test_inputs_and_outputs_are_those_of_the_sidecar(self, made):
        with quiet():
            functions = read_functions(made.artifact)
        for method in Sidecar.read(made.artifact).methods:
            function = functions[method.name]
            assert list(function.inputs) == [spec.name for spec in method.inputs]
            assert [variable.name for variable in function.outputs] == [spec.name for spec in method.outputs]
            assert all(len(variable.shape) <= 5 for operation in function.operations for variable in operation.outputs)

    def test_a_caption_from_the_package_is_pytorch_s(self, made):
        photo = default_photo().with_name("flower.jpg")
        expected, given = (
            pipeline.caption(pipeline.regions(photo), beams=1)
            for pipeline in (Pipeline(load_torch_backend("minivlm-tiny")), Pipeline(open_backend(made.artifact)))
        )
        assert given.token_ids == expected.token_ids


class TestProgram:
    def test_the_suffix_opens_it_and_a_method_that_it_lacks_is_answered(self, exported):
        program = open_program(exported("minilm-tiny", "coreml", "int8").artifact, threads=1)
        assert isinstance(program, CoreMLProgram)
        assert program.threads == 1
        assert program.planned_bytes is None
        with pytest.raises(UserError, match="no method 'backward': it has forward"):
            program.run("backward", [])

    @pytest.mark.skipif(sys.platform != "darwin", reason="Core ML runs on macOS only")
    def test_core_ml_computes_what_the_reference_executor_computes(self, exported):
        program = CoreMLProgram(exported("minilm-tiny", "coreml", "int8").artifact)
        method = fusion_method("forward", create_model("minilm-tiny"))
        reference = program.reference("forward").run(method.inputs)
        own = program.run("forward", method.example)
        for metric in compare(method, tuple(reference.values()), own, tolerances_of("coreml", "fp16", random=True)):
            assert metric.passed, str(metric)


def test_the_same_programs_give_the_same_bytes_and_equal_weights_are_stored_once(tmp_path):
    weight = torch.randn(64, 64, generator=torch.Generator().manual_seed(0)).numpy()

    def part(activation):
        return lambda mb: lambda x: getattr(mb, activation)(x=mb.linear(x=x, weight=weight))

    parts = {name: saved([((1, 64), "fp32")], part(name), tmp_path / f"{name}.mlpackage") for name in ("relu", "tanh")}
    with quiet():
        for copy in ("first", "second"):
            join(parts, tmp_path / copy / "model.mlpackage")
    first, second = (tmp_path / copy / "model.mlpackage" for copy in ("first", "second"))
    assert sha256(first) == sha256(second)
    (stored,) = first.rglob("weight.bin")
    assert 4 * 64 * 64 <= stored.stat().st_size < 1.1 * 4 * 64 * 64
    assert CoreMLProgram(first).methods == ["relu", "tanh"]
    assert json.loads((first / "Manifest.json").read_text())["rootModelIdentifier"]


def test_the_command_keeps_the_converter_s_noise_off_the_terminal(tmp_path):
    """A mistake that is found after coremltools was imported: the terminal shows one line."""
    path = tmp_path / "model.mlpackage"
    path.mkdir()
    code = (
        "from pathlib import Path; from minivlm.errors import run_command; "
        "from export.runtime.program import open_program; "
        f"run_command(lambda: open_program(Path({str(path)!r})))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"error: {path} is no Core ML program")
