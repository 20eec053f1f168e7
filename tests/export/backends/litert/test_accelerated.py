"""Artifacts on LiteRT's GPU accelerator, in software where there is no GPU."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from export.backends.litert.accelerated import TRIES, GPUProgram, OnGPU, _adapter, _reason
from export.backends.litert.convert import convert
from export.backends.litert.program import LiteRTProgram
from export.backends.litert.quantize import quantize
from export.backends.litert.rules import RULES
from export.core.acceleration import Adapter
from export.core.methods import Method
from export.core.recipe import Recipe
from export.runtime.artifact_backend import open_backend
from export.runtime.program import load_accelerated
from export.verify.metrics import match_regions, sqnr
from minivlm.errors import UserError
from minivlm.images.photos import default_photo, load_photo
from tests.export.backends.litert.drivers import needs_driver


@pytest.fixture(scope="module")
def method() -> Method:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 16)).eval()
    return Method("forward", Tupled(module), {"rows": torch.randn(4, 64)}, ("found",))


class Tupled(nn.Module):
    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, rows: torch.Tensor) -> tuple[torch.Tensor]:
        return (self.module(rows),)


@pytest.fixture(scope="module")
def artifact(method, tmp_path_factory) -> Path:
    path: Path = tmp_path_factory.mktemp("gpu") / "model.tflite"
    path.write_bytes(convert([method]))
    return path


@needs_driver
class TestOnGPU:
    @pytest.mark.parametrize(("computed", "least", "most"), [("fp32", 100.0, 200.0), ("fp16", 40.0, 80.0)])
    def test_it_computes_in_what_it_is_told(self, artifact, method, computed, least, most):
        """Two layers in fp16, 2**-11 each: about 60 dB; in fp32 over 120."""
        program = GPUProgram(artifact, 1, computed)
        (given,) = program.run("forward", method.example)
        (expected,) = method.module(*method.example)
        assert least <= sqnr(expected.detach(), given) <= most

    def test_weights_that_are_stored_in_fp16_are_unpacked_where_they_are_needed(self, artifact, method, tmp_path):
        content, _ = quantize(artifact.read_bytes(), [method], Recipe("fp16", RULES["fp16"]))
        (tmp_path / "half.tflite").write_bytes(content)
        program = GPUProgram(tmp_path / "half.tflite", 1, "fp32")
        (given,) = program.run("forward", method.example)
        (expected,) = LiteRTProgram(tmp_path / "half.tflite", 1).run("forward", method.example)
        assert (program.placement("forward").pieces, program.placement("forward").macs) == (1, 1.0)
        assert sqnr(expected, given) >= 100.0

    def test_it_tells_where_it_runs(self, artifact):
        program = GPUProgram(artifact)
        placement = program.placement("forward")
        assert (placement.pieces, placement.macs) == (1, 1.0)
        assert program.adapter.name

    def test_its_interface_is_the_file_s(self, artifact):
        told = GPUProgram(artifact).interface("forward")
        assert [str(spec) for spec in (*told.inputs, *told.outputs)] == [
            "rows float32 [4, 64]",
            "found float32 [4, 16]",
        ]

    def test_other_inputs_and_methods_are_refused(self, artifact):
        program = GPUProgram(artifact)
        with pytest.raises(UserError, match="rows takes shape"):
            program.run("forward", [torch.zeros(1, 64)])
        with pytest.raises(UserError, match="no method 'step': it has forward"):
            program.run("step", [])

    def test_strange_bytes_are_no_model(self, tmp_path):
        (tmp_path / "model.tflite").write_bytes(b"none" * 50)
        with pytest.raises(UserError, match="is not a model this runtime can load"):
            GPUProgram(tmp_path / "model.tflite")

    def test_a_driver_without_what_it_takes_is_told_in_one_line(self, artifact):
        code = (
            "import os; os.environ['VK_DRIVER_FILES'] = os.environ['VK_ICD_FILENAMES'] = '/none.json'; "
            "from pathlib import Path; from minivlm.errors import run_command; "
            "from export.backends.litert.accelerated import GPUProgram; "
            f"run_command(lambda: GPUProgram(Path({str(artifact)!r})).load('forward'))"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        lines = [line for line in done.stderr.splitlines() if line.startswith("error:")]
        assert done.returncode == 2
        assert lines == [
            "error: the Vulkan driver here lacks what LiteRT's GPU accelerator needs: python export/gpu_driver.py sets "
            "up one that has it"
        ]


class Slow(OnGPU):
    """A piece whose kernels are compiled while LiteRT waits: the first tries give nothing."""

    def __init__(self, *, failing: int, software: bool) -> None:
        self.adapter = Adapter("some", software)
        self.left = failing
        self.compiled = 0

    def _compile(self) -> None:
        self.compiled += 1

    def _run(self, known: object) -> dict[int, np.ndarray[Any, Any]]:
        self.left -= 1
        if self.left >= 0:
            raise RuntimeError("first line\nFailed to lock custom tensor buffer.")
        return {1: np.ones(1)}


class TestWaiting:
    def test_software_is_tried_again_with_the_kernels_it_has_meanwhile(self):
        piece = Slow(failing=TRIES - 1, software=True)
        assert piece({}).keys() == {1}
        assert piece.compiled == TRIES - 1

    @pytest.mark.parametrize(("failing", "software"), [(TRIES, True), (1, False)])
    def test_at_last_the_reason_is_told(self, failing, software):
        with pytest.raises(UserError, match=r"^some.* gives no result \(Failed to lock custom .*\): run the"):
            Slow(failing=failing, software=software)({})


class TestRefusals:
    def test_a_precision_that_would_be_computed_in_float(self, tmp_path):
        with pytest.raises(
            UserError, match="LiteRT's gpu would compute int8 in float: take an artifact in fp32 or fp16"
        ):
            load_accelerated(tmp_path / "model.tflite", "int8", "gpu")

    def test_operators_that_it_does_not_take_are_named(self):
        said = "Following operations are not supported by GPU delegate:\nSUM: Unknown layout.\n3 operations will run"
        assert "(SUM: Unknown layout.): run it on the CPU" in _reason(said, "RuntimeError")


def test_an_adapter_is_read_from_what_litert_says():
    line = "Selected adapter: llvmpipe (LLVM 15.0.6, 256 bits), arch=software, vendor=mesa, adapterType=CPU / Software"
    assert _adapter(line) == Adapter("llvmpipe (LLVM 15.0.6, 256 bits)", software=True)
    assert not _adapter("Selected adapter: Some GPU, arch=a, adapterType=Discrete GPU").software


@pytest.mark.full
@needs_driver
def test_a_whole_model_finds_the_cpu_s_regions_and_says_what_it_ran_on(exported):
    """Compiling its kernels takes minutes the first time."""
    artifact, notes = exported("minivlm-tiny", "litert").artifact, []
    backend = open_backend(artifact, accelerator="gpu", note=notes.append)
    photo = load_photo(default_photo())
    cpu = open_backend(artifact)
    found, expected = (one.regions(one.fit(photo)) for one in (backend, cpu))
    assert len(match_regions(expected, found)) >= 0.6 * int(expected.valid.sum())
    assert backend.detector_hash != cpu.detector_hash  # kept regions are those of one device
    (note,) = notes
    assert note.startswith("ran on gpu, ")
