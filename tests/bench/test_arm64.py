"""Verification on other kernels. The guest runs natively, in place of an emulated machine that tests cannot have."""

import json
import platform
import shutil
import sys
from pathlib import Path

import pytest

from bench import arm64
from bench.emulation import guest
from bench.emulation.arithmetic import Arithmetic
from bench.emulation.machine import Machine
from minivlm.errors import UserError
from minivlm.storage.files import sha256
from minivlm.weights.making import make_random
from tests.bench.native import Native

MODEL = "minilm-tiny"


@pytest.fixture
def artifacts(tmp_path, exported) -> Path:
    """Artifacts under their names, with their sidecars."""
    for runtime in arm64.KNOWN:
        source = exported(MODEL, runtime).artifact
        for path in (source, source.with_suffix(".json")):
            shutil.copy(path, tmp_path)
    return tmp_path


@pytest.fixture
def native(tmp_path, monkeypatch) -> Machine:
    machine = Native(tmp_path, {"numpy": "2"})
    monkeypatch.setattr(arm64, "ready_machine", lambda folder, steps, with_executorch: machine)
    return machine


def prove(artifacts: Path, *flags: str) -> dict:
    arm64.main(
        [
            "--models",
            MODEL,
            "--precision",
            "fp32",
            "--artifacts",
            str(artifacts),
            "--json",
            str(artifacts / "proof"),
            *flags,
        ]
    )
    return json.loads((artifacts / "proof").read_text())


@pytest.mark.skipif(platform.system() != "Linux", reason="the guest reads /proc/cpuinfo")
class TestVerification:
    def test_artifacts_that_compute_the_same_are_proven(self, native, artifacts, capsys):
        verifications = prove(artifacts, "--runtimes", ",".join(arm64.KNOWN))["proofs"]
        assert [verification["artifact"] for verification in verifications] == [
            f"{MODEL}-executorch-fp32.pte",
            f"{MODEL}-litert-fp32.tflite",
            f"{MODEL}-onnx-fp32.onnx",
        ]
        for verification in verifications:
            assert verification["proven"]
            assert set(verification["figures"]) == {"forward against PyTorch", "forward against this machine"}
        assert capsys.readouterr().out.count("proven") == 3

    @pytest.mark.parametrize("runtime", arm64.KNOWN)
    def test_kernels_that_compute_something_else_fail(self, native, artifacts, monkeypatch, runtime, capsys):
        right = arm64.run_emulated

        def wrong(*arguments):
            return [tuple(tensor * 1.01 for tensor in row) for row in right(*arguments)]

        monkeypatch.setattr(arm64, "run_emulated", wrong)
        with pytest.raises(SystemExit) as caught:
            prove(artifacts, "--runtimes", runtime)
        assert caught.value.code == 1
        printed = capsys.readouterr().out
        assert "FAILED" in printed
        assert "SQNR dB 40" in printed  # 1 % off everywhere: 20 log10(100)

    def test_a_runtime_that_crashes_is_a_failed_verification_with_its_last_line(
        self, native, artifacts, monkeypatch, capsys
    ):
        broken = "import sys; sys.exit('no kernel for this\\n)')"  # as ONNX Runtime ends some of its messages
        monkeypatch.setattr(Native, "command", lambda *_: [sys.executable, "-c", broken])
        with pytest.raises(SystemExit):
            prove(artifacts, "--runtimes", "onnx")
        assert "no kernel for this" in capsys.readouterr().out

    def test_what_ran_on_another_processor_proves_nothing(self, native, artifacts, monkeypatch, capsys):
        monkeypatch.setattr(Native, "command", lambda self, *parts: [sys.executable, *map(str, parts)])
        if platform.machine() == "aarch64":
            pytest.skip("this machine is arm64")
        with pytest.raises(SystemExit):
            prove(artifacts, "--runtimes", "onnx")
        assert f"ran on {platform.machine()} instead of aarch64" in capsys.readouterr().out


def test_the_guest_imports_nothing_that_the_machine_lacks():
    lines = Path(guest.__file__).read_text().splitlines()
    imports = {line.split()[1].partition(".")[0] for line in lines if line.strip().startswith(("import ", "from "))}
    assert imports <= {
        "json",
        "platform",
        "sys",
        "pathlib",
        "typing",
        "numpy",
        "onnxruntime",
        "ai_edge_litert",
        "torch",
        "executorch",
    }


@pytest.mark.parametrize(
    ("flags", "part"),
    [
        (["--runtimes", "coreml"], "unknown runtime 'coreml'"),
        (["--models", "r101-f"], "is a baseline"),
        (["--precision", "int3"], "unknown precision"),
    ],
)
def test_mistakes_are_told_before_anything_is_set_up(flags, part, monkeypatch):
    monkeypatch.setattr(arm64, "ready_machine", lambda *_: pytest.fail("something was set up"))
    with pytest.raises(UserError, match=part):
        arm64.main(flags)


@pytest.fixture
def half(tmp_path, exported) -> Path:
    """An fp16 artifact of ExecuTorch under its name, with its sidecar."""
    source = exported(MODEL, "executorch", "fp16").artifact
    for path in (source, source.with_suffix(".json")):
        shutil.copy(path, tmp_path)
    return tmp_path


def prove_half(folder: Path, monkeypatch, found: Arithmetic) -> dict:
    monkeypatch.setattr(arm64, "find_arithmetic", lambda *_: found)
    return prove(folder, "--runtimes", "executorch", "--precision", "fp16")


def test_fp16_says_in_what_numbers_are_added_up(native, half, monkeypatch, capsys):
    found = Arithmetic("executorch", {"linear": 2112.0, "matmul": 2112.0}, {"linear": 2048.0, "matmul": 2112.0})
    told = prove_half(half, monkeypatch, found)
    assert told["sums"] == [
        {"runtime": "executorch", "here": dict(found.here), "emulated": dict(found.emulated), "error": ""}
    ]
    assert "executorch linear: sums in float16 on ARM, in float32 here" in capsys.readouterr().out


# Of tensors in dB: "fp16" and "litert gpu fp16" in TOLERANCES.
@pytest.mark.parametrize(("total", "bound"), [(2112.0, 40), (2048.0, 25)])
def test_tolerances_at_fp16_are_those_of_the_arithmetic(native, half, monkeypatch, capsys, total, bound):
    prove_half(half, monkeypatch, Arithmetic("executorch", {"linear": 2112.0}, {"linear": total}))
    assert f"(>= {bound})" in " ".join(capsys.readouterr().out.split())


def test_sums_that_failed_are_told(native, half, monkeypatch, capsys):
    prove_half(half, monkeypatch, Arithmetic("executorch", {}, {}, "ended with -4"))
    assert "executorch: ended with -4" in capsys.readouterr().out


def test_exact_precisions_add_up_nothing(native, artifacts, monkeypatch):
    monkeypatch.setattr(arm64, "find_arithmetic", lambda *_: pytest.fail("numbers were added up"))
    assert prove(artifacts, "--runtimes", "onnx")["sums"] == []


def test_an_export_that_fails_does_not_end_the_others(artifacts, native, monkeypatch):
    def refuse(request, steps):
        raise UserError(f"{request.runtime} does not compute what the model computes")

    monkeypatch.setattr(arm64, "export_model", refuse)
    (artifacts / f"{MODEL}-litert-fp32.tflite").unlink()
    with pytest.raises(SystemExit):
        prove(artifacts)
    verifications = json.loads((artifacts / "proof").read_text())["proofs"]
    assert {verification["artifact"]: verification["error"] for verification in verifications} == {
        f"{MODEL}-litert-fp32.tflite": "litert does not compute what the model computes",
        f"{MODEL}-onnx-fp32.onnx": "",
    }


def test_an_artifact_of_other_weights_is_left_alone_and_another_proven(native, artifacts, tmp_path, capsys):
    make_random(tmp_path / "mine", "minivlm-tiny", sizes={"layers": 1})
    before = {path.name: path.read_bytes() for path in artifacts.glob("minilm*")}
    found = prove(artifacts, "--runtimes", "onnx", "--checkpoint", str(tmp_path / "mine"))["proofs"]
    digest = sha256(tmp_path / "mine" / "model.safetensors")[:8]
    assert [(verification["artifact"], verification["proven"]) for verification in found] == [
        (f"{MODEL}-onnx-fp32-{digest}.onnx", True)
    ]
    assert {name: (artifacts / name).read_bytes() for name in before} == before
