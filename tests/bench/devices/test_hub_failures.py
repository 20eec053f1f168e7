"""What goes wrong on hosted phones: refused at once, or a failed record beside the others."""

import importlib
import os
import sys

import pytest

from bench import run
from bench.devices import hub_jobs
from tests.bench.devices.hub_client import RateLimitedError, UserError
from tests.bench.devices.hub_runs import OFFLINE, PIXEL, S23, S24, benchmark, fails, records
from tests.bench.devices.phones import MODEL, refused


class TestRefusals:
    def test_no_client(self, hub_folders, monkeypatch, capsys):
        monkeypatch.setitem(sys.modules, "qai_hub", None)
        monkeypatch.setitem(sys.modules, "qai_hub.client", None)
        importlib.invalidate_caches()
        line = refused(capsys, lambda: benchmark(hub_folders))
        assert "--device hub needs the client of Qualcomm AI Hub" in line
        assert line.endswith("pip install -e '.[hub]'")

    def test_no_token(self, hub, hub_folders, capsys):
        hub.token = False
        line = refused(capsys, lambda: benchmark(hub_folders))
        assert "client.ini not found. Please request access" in line
        assert "qai-hub configure --api_token TOKEN" in line
        assert "┌" not in line
        assert "|" not in line

    def test_a_token_that_is_not_taken(self, hub, hub_folders, capsys):
        hub.raises["get_devices"] = [UserError("Failed to authenticate.\n┌─┐\n| bad or expired API token |\n└─┘")]
        line = refused(capsys, lambda: benchmark(hub_folders))
        assert "refuses this computer (Failed to authenticate. bad or expired API token): qai-hub configure" in line

    def test_no_network(self, hub, hub_folders, capsys):
        hub.raises["get_devices"] = [OFFLINE]
        assert "Could not connect to Qualcomm AI Hub" in refused(capsys, lambda: benchmark(hub_folders))

    def test_an_unknown_phone_with_the_nearest_names(self, hub, hub_folders, capsys):
        line = refused(capsys, lambda: benchmark(hub_folders, phones=("Samsung Galaxy S42",)))
        assert "hosts no phone 'Samsung Galaxy S42': did you mean Samsung Galaxy S2" in line

    def test_no_phone_names_some(self, hub, hub_folders, capsys):
        line = refused(capsys, lambda: benchmark(hub_folders, phones=()))
        assert f"of 3 that are hosted, such as {PIXEL}, {S23}, {S24}: give --phone NAME" in line

    @pytest.mark.parametrize(
        ("flags", "words"),
        [
            (("--sustained", "5"), "--sustained: Qualcomm AI Hub bounds how long a job runs"),
            (("--cool-down", "5"), "--cool-down waits for a phone on this desk"),
            (("--affinity", str(min(os.sched_getaffinity(0)))), "--affinity binds processes of this machine"),
            (("--serial", "x"), "--serial goes with --device android"),
        ],
    )
    def test_flags_that_mean_nothing_there(self, hub, hub_folders, capsys, flags, words):
        assert words in refused(capsys, lambda: benchmark(hub_folders, *flags))

    def test_flags_that_mean_something_there_only(self, hub_folders, capsys):
        line = refused(capsys, lambda: run.main(["--phone", S24, "--output", str(hub_folders["output"])]))
        assert "--phone goes with --device hub, not with cpu" in line

    @pytest.mark.parametrize(
        ("models", "runtimes", "words"),
        [
            (MODEL, "coreml", "has no runtime coreml for these artifacts: choose litert or onnx"),
            ("minivlm-tiny", "litert", "a whole model with --runtimes onnx"),
            ("r101-f", "onnx", "nothing to measure: r101-f in fp32 has no artifact for hosted phones"),
        ],
    )
    def test_what_no_hosted_phone_runs(self, hub, hub_folders, capsys, models, runtimes, words):
        assert words in refused(capsys, lambda: benchmark(hub_folders, models=models, runtimes=runtimes))


class TestFailures:
    def failed(self, hub_folders, **given):
        fails(lambda: benchmark(hub_folders, **given))
        (record,) = [record for record in records(hub_folders) if not record.ok]
        return record

    def test_a_job_that_fails_is_a_record_with_its_reason_and_the_others_are_kept(self, hub, hub_folders, hub_copy):
        hub_copy()
        hub.fails = {S24: "Failed to load model.\nUnsupported operator GATHER_ND"}
        record = self.failed(hub_folders, phones=(S24, S23))
        assert record.error.reason == "job j0: it ended as failed: Failed to load model. Unsupported operator GATHER_ND"
        assert (record.phone, record.environment["phone"]) == (S24, S24)
        assert [each.phone for each in records(hub_folders) if each.ok] == [S23]

    def test_outputs_outside_of_the_artifact_s_bounds(self, hub, hub_folders, hub_copy):
        hub_copy()
        hub.answer = lambda phone, outputs: {
            name: [array * (1.5 if phone == S23 else 1.0)] for name, (array,) in outputs.items()
        }
        record = self.failed(hub_folders, phones=(S24, S23))
        assert record.phone == S23
        assert "the phone computes something else: forward: " in record.error.reason

    @pytest.mark.parametrize(
        ("answer", "words"),
        [
            (lambda phone, outputs: {}, "it gave the outputs none instead of"),
            (
                lambda phone, outputs: {name: [array[..., :1]] for name, (array,) in outputs.items()},
                "for the output",
            ),
        ],
    )
    def test_outputs_of_another_kind(self, hub, hub_folders, hub_copy, answer, words):
        hub_copy()
        hub.answer = answer
        assert words in self.failed(hub_folders).error.reason

    @pytest.mark.parametrize(
        ("profile", "words"),
        [
            (lambda told: {}, "its profile cannot be read (KeyError: 'execution_summary')"),
            (lambda told: told | {"execution_summary": {}}, "its profile has no times of single runs"),
            (
                lambda told: told | {"execution_detail": [{"compute_unit": "NPU"}] * 4},
                "no layer ran on the CPU: 4 on the NPU",
            ),
        ],
    )
    def test_a_profile_that_says_something_else(self, hub, hub_folders, hub_copy, profile, words):
        hub_copy()
        hub.profile = profile
        assert words in self.failed(hub_folders).error.reason

    def test_an_artifact_that_is_not_taken(self, hub, hub_folders, hub_copy):
        hub_copy()
        hub.raises["upload_model"] = [UserError("The uploaded asset is too large.")]
        record = self.failed(hub_folders)
        assert record.error.reason.endswith("minilm-tiny-onnx-fp32.onnx: The uploaded asset is too large")

    def test_a_job_that_is_not_taken(self, hub, hub_folders, hub_copy):
        hub_copy()
        error = UserError("device does not support ONNX model input")
        hub.raises["submit_inference_job"] = [error, error]
        assert self.failed(hub_folders).error.reason.endswith("job: device does not support ONNX model input")

    def test_a_quota_lets_the_others_end_first(self, hub, hub_folders, hub_copy, capfd):
        hub_copy()
        hub.slots = 2
        benchmark(hub_folders, phones=(S24, S23, PIXEL))
        assert len([record for record in records(hub_folders) if record.ok]) == 3
        assert "limit of concurrent jobs" in capfd.readouterr().err

    def test_a_quota_that_is_used_up_is_one_line(self, hub, hub_folders, hub_copy, capsys, monkeypatch):
        hub_copy()
        monkeypatch.setattr(hub_jobs, "BUSY_SECONDS", 0.0)
        hub.raises["submit_inference_job"] = [RateLimitedError("Too many requests") for _ in range(9)]
        line = refused(capsys, lambda: benchmark(hub_folders))
        assert "takes no more jobs (Too many requests): what was finished is kept; continue later with --resume" in line

    def test_a_job_without_progress_goes_on_there(self, hub, hub_folders, hub_copy, capsys, monkeypatch):
        hub_copy()
        hub.polls = 10**9
        clock = iter(range(0, 10**9, 400))
        monkeypatch.setattr(hub_jobs.time, "monotonic", lambda: next(clock))
        line = refused(capsys, lambda: benchmark(hub_folders))
        assert "job j0 shows no progress after 600 s of measuring_performance" in line
