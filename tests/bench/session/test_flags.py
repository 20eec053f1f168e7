"""The benchmark's command line: what it takes and what it refuses."""

import os
from pathlib import Path

import pytest

from bench.machine.environment import available_cores
from bench.measure.plan import Plan, request_of, runtimes_for
from bench.measure.timing import PROFILES
from bench.session import checks, flags
from bench.session.checks import check_plan
from bench.session.flags import MOST_THREADS, default_threads, make_parser, plan_of
from export.backends.litert.accelerated import GPUProgram
from export.core.acceleration import DriverFacts
from export.core.weights import Weights
from minivlm.errors import UserError
from minivlm.images.photos import default_photo
from minivlm.weights.loading import load_model
from minivlm.weights.making import make_random
from tests.export.artifacts import handmade


@pytest.fixture
def made(tmp_path, monkeypatch):
    """Makes a plan in a folder of its own, and checks it."""
    monkeypatch.chdir(tmp_path)

    def make(*argv: str) -> Plan:
        parsed = make_parser("").parse_args(argv)
        plan = plan_of(parsed)
        check_plan(plan, parsed.output)
        return plan

    return make


def refusal(made, *argv: str) -> str:
    with pytest.raises(UserError) as caught:
        made(*argv)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_without_flags_is_the_paper_s_comparison(made):
    plan: Plan = made("--device", "cpu", "--threads", "4")
    assert plan.threads == [4]
    assert set(plan.models) == {
        *("tee-0", "grid-r50", "grid-x101", "r101-f"),
        *("bert-base", "bert-8", "tinybert-6", "bert-4", "minilm", "tinybert-4"),
    }
    assert plan.precisions == ["fp32"]
    assert plan.photo == default_photo()
    assert plan.repeats == PROFILES["normal"].repeats
    assert (plan.affinity, plan.sustained) == (None, None)
    assert made().threads == [default_threads()] == [min(4, available_cores())]


def test_takes_what_it_is_given(made, photo_path):
    plan = made(
        *("--models", "tee-0, minilm,tee-0", "--runtimes", "executorch", "--threads", "1,2,4", "--profile", "quick"),
        *("--photo", str(photo_path), "--output", "out", "--precision", "fp32,int8", "--repeats", "5"),
        *("--sustained", "0.5", "--timeout", "30"),
    )
    assert plan.models == ["tee-0", "minilm"]
    assert plan.runtimes == ["executorch"]
    assert plan.threads == [1, 2, 4]
    assert plan.precisions == ["fp32", "int8"]
    assert (plan.profile, plan.photo) == ("quick", photo_path)
    assert made("--image", str(photo_path)).photo == photo_path, "its older name"
    assert (plan.repeats, plan.sustained, plan.timeout) == (5, 0.5, 30.0)


@pytest.mark.parametrize(
    ("argv", "parts"),
    [
        (["--threads", "0"], ["--threads: '0'", "from 1 to"]),
        (["--threads", "2,-1"], ["--threads: '-1'", "from 1 to"]),
        (["--threads", "99999999"], ["--threads: '99999999'", f"from 1 to {MOST_THREADS}", "this machine has"]),
        (["--threads", "four"], ["--threads: 'four'", "this machine has"]),
        (["--threads", ""], ["--threads", "at least one"]),
        (["--device", "gpu"], ["unknown device 'gpu'", "cpu"]),
        (["--models", "tee-0,minlm"], ["unknown model 'minlm'", "did you mean minilm"]),
        (["--models", ","], ["--models", "at least one"]),
        (["--runtimes", "pytorhc"], ["unknown runtime 'pytorhc'", "did you mean pytorch"]),
        (["--precision", "int9"], ["unknown precision 'int9'", "int8"]),
        (["--profile", "slow"], ["unknown profile 'slow'", "quick"]),
        (["--repeats", "0"], ["--repeats 0", "at least 1"]),
        (["--timeout", "0"], ["--timeout 0", "at least 1"]),
        (["--timeout", "nan"], ["--timeout", "'nan' is no number"]),
        (["--order", "turn"], ["unknown order 'turn'", "did you mean turns"]),
        (["--order", "turns", "--device", "android"], ["--order turns", "--device android", "one case at a time"]),
        (["--order", "turns", "--sustained", "1"], ["--sustained", "--order turns", "leave one of the two out"]),
        (["--sustained", "0"], ["--sustained 0", "more than 0"]),
        (["--sustained", "inf"], ["--sustained", "'inf' is no number"]),
        (["--image", "{folder}/notes.txt"], ["notes.txt", "convert it to JPEG or PNG"]),
        (["--image", "{folder}/none.jpg"], ["none.jpg", "does not exist"]),
        (["--output", "{folder}/notes.txt/results"], ["notes.txt", "--output"]),
        (["--output", "{folder}/notes.txt"], ["notes.txt", "--output"]),
    ],
)
def test_refuses_in_one_line(made, tmp_path, argv, parts):
    (tmp_path / "notes.txt").write_text("not a photo")
    message = refusal(made, *(part.format(folder=tmp_path) for part in argv))
    assert all(part in message for part in parts)


class TestWeights:
    @pytest.fixture
    def folder(self, tmp_path) -> Path:
        make_random(tmp_path / "mine", "minivlm-tiny", seed=2, sizes={"tags": 12})
        return tmp_path / "mine"

    def test_are_random_of_a_seed_without_a_checkpoint(self, made):
        assert (made().weights, made().origin.description) == (Weights(), "random (seed 0)")
        assert made("--seed", "3").origin.description == "random (seed 3)"

    def test_of_a_checkpoint_go_with_its_model_or_its_parts(self, made, folder):
        plan = made("--checkpoint", str(folder))
        assert (plan.models, plan.weights) == (["minivlm-tiny"], Weights(folder))
        assert plan.origin == load_model(checkpoint=folder).origin
        assert made("--checkpoint", str(folder), "--models", "tee-tiny,minilm-tiny").origin == plan.origin

    @pytest.mark.parametrize("models", ["r101-f-tiny", "tee-0", "minivlm-tiny,r101-f", "tee-tiny,grid-tiny"])
    def test_of_a_checkpoint_are_not_mixed_with_random_ones(self, made, folder, models):
        assert "pass --model minivlm-tiny or tee-tiny" in refusal(made, "--checkpoint", str(folder), "--models", models)

    @pytest.mark.parametrize(
        ("argv", "part"),
        [
            (["--checkpoint", "mine", "--seed", "0"], "leave one of the two out"),
            (["--checkpoint", "none"], "checkpoint none is not a folder"),
            (["--seed", "-1"], "--seed -1: give a number from 0"),
            (["--seed", "9" * 30], "give a number from 0"),
        ],
    )
    def test_that_cannot_be_are_refused(self, made, folder, argv, part):
        assert part in refusal(made, *argv)

    def test_whose_file_is_gone_are_refused_before_anything_is_measured(self, made, folder):
        (folder / "model.safetensors").unlink()
        assert "has no model.safetensors" in refusal(made, "--checkpoint", str(folder))


class TestImageSize:
    def test_is_for_all_models_that_see_a_photo(self, made):
        plan = made("--models", "tee-tiny,minilm-tiny", "--image-size", "96x160")
        assert plan.image_size == (96, 160)
        sizes = [request_of(plan, model, "onnx", "fp32").image_size for model in plan.models]
        assert sizes == [(96, 160), None]

    @pytest.mark.parametrize(
        ("models", "size", "part"),
        [
            ("tee-tiny", "100", "multiples of 32"),
            ("minivlm-tiny", "0", "multiples of 32"),
            ("tee-tiny", "wide", "such as 384x512"),
            ("minilm-tiny,bert-4", "128", "goes with a vision model"),
            ("tee-tiny,r101-f", "128", "r101-f takes photos by their short side"),
            ("oscar-b", "128", "oscar-b takes photos by their short side"),
        ],
    )
    def test_that_some_do_not_take_is_refused(self, made, models, size, part):
        assert part in refusal(made, "--models", models, "--image-size", size)


class TestPhones:
    def test_take_the_paper_s_threads_whatever_this_machine_has(self, made, monkeypatch):
        monkeypatch.setattr(flags, "available_cores", lambda: 2)
        assert made("--device", "android").threads == [4]
        assert made().threads == [2]
        assert made("--device", "android", "--threads", "1,2").threads == [1, 2]

    def test_are_waited_for_while_they_cool_down(self, made):
        assert made("--device", "android").cool_down == 180.0
        assert made("--device", "android", "--cool-down", "0").cool_down == 0.0
        assert "--cool-down waits for a phone" in refusal(made, "--cool-down", "5")

    @pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system cannot bind to cores")
    def test_are_not_bound_to_cores(self, made):
        core = str(min(os.sched_getaffinity(0)))
        assert "--affinity binds processes of this machine" in refusal(made, "--device", "android", "--affinity", core)


class TestAffinity:
    pytestmark = pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system cannot bind to cores")

    def test_takes_numbers_and_ranges(self, made, monkeypatch):
        monkeypatch.setattr(flags.os, "sched_getaffinity", lambda process: set(range(8)))
        assert made("--affinity", "0-2,5, 5").affinity == [0, 1, 2, 5]

    @pytest.mark.parametrize("given", ["2-1", "9999", "a", "", "1-", "-1", "0-9999"])
    def test_refuses_anything_else(self, made, given):
        assert f"--affinity: {given!r}: " in refusal(made, f"--affinity={given}")


class TestRuntimes:
    def test_the_default_ones_come_with_every_other_artifact_that_is_there(self, made):
        pytest.importorskip("onnxruntime")
        plan = made()
        assert runtimes_for(plan, "tee-tiny", "fp32") == ["pytorch", "executorch"]
        handmade(plan.artifacts, "tee-tiny", "onnx")
        assert runtimes_for(plan, "tee-tiny", "fp32") == ["pytorch", "executorch", "onnx"]
        assert runtimes_for(plan, "minilm-tiny", "fp32") == ["pytorch", "executorch"]
        for other in (made("--seed", "1"), made("--models", "tee-tiny", "--image-size", "64")):
            assert runtimes_for(other, "tee-tiny", "fp32") == ["pytorch", "executorch"], "it is of something else"
        assert runtimes_for(made("--runtimes", "pytorch"), "tee-0", "fp32") == ["pytorch"]

    def test_compiling_needs_a_compiler(self, made, monkeypatch):
        monkeypatch.setattr(checks.shutil, "which", lambda name: None)
        assert "install g++" in refusal(made, "--runtimes", "pytorch-compiled")


def test_there_is_at_least_one_core():
    assert available_cores() >= 1


def test_a_runtime_that_is_not_on_this_system_is_measured_elsewhere(made, monkeypatch):
    monkeypatch.setattr("platform.system", lambda: "Linux")
    assert "measure it on a Mac, or with --device ios" in refusal(made, "--runtimes", "coreml")
    assert made("--device", "ios", "--runtimes", "coreml").runtimes == ["coreml"]


def test_what_a_plan_runs_on_is_checked_with_the_rest(made, monkeypatch):
    software = DriverFacts("llvmpipe", software=True)
    monkeypatch.setattr(GPUProgram, "driver", staticmethod(lambda: software))
    assert "is software (llvmpipe), and its times mean nothing" in refusal(made, "--accelerator", "gpu")
    monkeypatch.setattr("platform.system", lambda: "Linux")
    assert "runs on Apple's systems only" in refusal(made, "--compute-units", "all,cpu")
