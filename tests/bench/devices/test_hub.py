"""`bench/run.py --device hub` against a stand-in for the service's client: the whole way, and what goes wrong on it."""

import importlib
import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from bench import run
from bench.devices import hub_jobs
from bench.records.file import read
from minivlm.errors import run_command
from tests.bench.devices import hub_client
from tests.bench.devices.hub_client import MICROSECONDS, PEAK, InternalError, RateLimitedError, Script, UserError

MODEL = "minilm-tiny"
S24, S23, PIXEL = "Samsung Galaxy S24", "Samsung Galaxy S23", "Google Pixel 7"
OFFLINE = InternalError("Internal API failure.\n┌──┐\n| Could not connect to Qualcomm AI Hub. |\n└──┘")


@pytest.fixture
def script(monkeypatch) -> Script:
    """The service, empty."""
    monkeypatch.setitem(sys.modules, "qai_hub", hub_client)
    monkeypatch.setitem(sys.modules, "qai_hub.client", hub_client)
    monkeypatch.setattr(hub_jobs, "POLL_SECONDS", 0.0)
    monkeypatch.setattr(run, "write_report", lambda records, folder: [])  # tested in test_phones and test_report
    monkeypatch.setattr(hub_client, "SCRIPT", Script())
    return hub_client.SCRIPT


@pytest.fixture
def folders(tmp_path, exported) -> dict[str, Path]:
    """Artifacts that are there, and an empty folder for records."""
    (tmp_path / "artifacts").mkdir()
    return {"artifacts": tmp_path / "artifacts", "output": tmp_path / "records"}


@pytest.fixture
def copied(folders, exported):
    """Puts an artifact with everything that belongs to it where the benchmark finds it."""

    def copy(model: str = MODEL, runtime: str = "onnx") -> Path:
        source = exported(model, runtime).artifact
        for path in source.parent.glob(f"{source.stem}*"):
            (shutil.copytree if path.is_dir() else shutil.copy)(path, folders["artifacts"] / path.name)
        return folders["artifacts"] / source.name

    return copy


def benchmark(folders, *flags: str, phones=(S24,), models: str = MODEL, runtimes: str = "onnx") -> None:
    given = ["--device", "hub", "--models", models, "--runtimes", runtimes, "--profile", "quick"]
    named = [part for phone in phones for part in ("--phone", phone)]
    paths = ["--artifacts", str(folders["artifacts"]), "--output", str(folders["output"])]
    run.main([*given, *named, *paths, *flags])


def resume(folders) -> None:
    run.main(["--resume", "--output", str(folders["output"])])


def records(folders):
    return read(folders["output"] / "records.jsonl")


def refused(capsys, call) -> str:
    """Run a command that must end with exit code 2; returns its one line of complaint."""
    with pytest.raises(SystemExit) as caught:
        run_command(call)
    assert caught.value.code == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    return line


def fails(call) -> None:
    with pytest.raises(SystemExit) as caught:
        call()
    assert caught.value.code == 1


class TestTheWay:
    @pytest.mark.parametrize("runtime", ["onnx", "litert"])
    def test_a_record_has_the_profile_s_times_memory_and_units(self, script, folders, copied, runtime):
        path = copied(runtime=runtime)
        benchmark(folders, "--accelerators", "npu", "--threads", "2", runtimes=runtime)
        (record,) = records(folders)
        assert (record.status, record.device, record.phone, record.accelerator) == ("ok", "hub", S24, "npu")
        assert record.samples == {"forward": [each / 1000 for each in MICROSECONDS["npu"]]}  # microseconds
        assert record.load_ms == pytest.approx(1374.293)
        assert (record.memory.peak_bytes, record.memory.baseline_bytes) == (PEAK, None)
        assert record.layers == {"CPU": 1, "NPU": 3}
        assert (record.first_ms, record.threads, record.threads_asked) == (None, None, 2)
        assert record.artifact.name == path.name
        assert record.counts.macs > 0
        assert record.environment["system"] == "android 14"  # the later of two
        assert record.environment["chipset"] == "qualcomm-snapdragon-8gen3"
        assert record.environment["url"] == "https://hub.example/jobs/j0/"

    def test_options_say_unit_runs_threads_and_that_fp32_stays_fp32(self, script, folders, copied):
        copied(runtime="litert"), copied()
        benchmark(folders, "--threads", "2", runtimes="litert,onnx")
        options = [call[3] for call in script.calls if call[0] == "submit_inference_job"]
        common = "--compute_unit cpu --max_profiler_iterations 100"
        assert options == [
            f"{common} --tflite_options number_of_threads=2;allow_fp32_as_fp16=false",
            f"{common} --onnx_options intra_op_num_threads=2",
        ]

    def test_all_phones_and_rounds_are_submitted_before_any_is_waited_for_and_uploaded_once(
        self, script, folders, copied
    ):
        copied()
        benchmark(folders, "--repeats", "2", "--accelerators", "cpu,gpu", phones=(S24, S23, PIXEL))
        names = [call[0] for call in script.calls]
        assert names.count("submit_inference_job") == 2 * 2 * 3
        assert "get_status" not in names[: len(names) - names[::-1].index("submit_inference_job")]
        assert (names.count("upload_model"), names.count("upload_dataset")) == (1, 1)
        found = records(folders)
        assert len({(record.round, record.case) for record in found}) == 12
        assert {record.environment["phone"] for record in found} == {S24, S23, PIXEL}

    def test_a_whole_model_is_measured_method_by_method_on_onnx_and_left_out_on_litert(
        self, script, folders, copied, capfd
    ):
        copied("minivlm-tiny")
        benchmark(folders, models="minivlm-tiny", runtimes="onnx,litert")
        assert [(record.method, record.runtime) for record in records(folders)] == [
            ("regions", "onnx"),
            ("prefill", "onnx"),
            ("step", "onnx"),
        ]
        assert all(list(record.samples) == [record.method] for record in records(folders))
        assert script.count("upload_model") == 3
        assert "left out: minivlm-tiny on litert, whose file has several signatures" in capfd.readouterr().err

    def test_progress_says_where_this_job_is_and_how_far_all_are(self, script, folders, copied, capfd):
        copied()
        benchmark(folders, phones=(S24, S23))
        said = capfd.readouterr().err
        assert "created; 0 of 2 jobs have ended" in said
        assert "provisioning_device; 0 of 2 jobs have ended, 0 wait for a phone" in said

    def test_outputs_that_the_service_names_itself_are_taken_in_the_file_s_order(self, script, folders, copied):
        copied(runtime="litert")
        script.answer = lambda phone, outputs: {
            f"output_{number}": array for number, array in enumerate(outputs.values())
        }
        benchmark(folders, runtimes="litert")
        assert records(folders)[0].ok


class TestResuming:
    def test_collects_jobs_that_were_submitted(self, script, folders, copied, capsys):
        copied()
        script.raises["get_status"] = [OFFLINE]
        assert "Could not connect to Qualcomm AI Hub" in refused(capsys, lambda: benchmark(folders, phones=(S24, S23)))
        resume(folders)
        assert script.count("submit_inference_job") == 2
        assert (script.count("upload_model"), script.count("upload_dataset")) == (1, 1)
        assert [record.phone for record in records(folders)] == [S24, S23]

    def test_keeps_what_was_finished_when_the_network_goes(self, script, folders, copied, capsys):
        copied()
        script.raises["download_profile"] = [None, OFFLINE]
        line = refused(capsys, lambda: benchmark(folders, phones=(S24, S23)))
        assert line.endswith("what was finished is kept, and jobs go on there; continue with --resume")
        assert [record.phone for record in records(folders)] == [S24]
        resume(folders)
        assert [record.phone for record in records(folders)] == [S24, S23]
        assert script.count("submit_inference_job") == 2

    def test_measures_anew_what_failed(self, script, folders, copied):
        copied()
        script.fails = {S23: "The device went offline."}
        fails(lambda: benchmark(folders, phones=(S24, S23)))
        script.fails = {}
        resume(folders)
        assert [call[1] for call in script.calls if call[0] == "submit_inference_job"] == [S24, S23, S23]
        assert [(record.phone, record.ok) for record in records(folders)] == [(S24, True), (S23, False), (S23, True)]

    def test_what_was_removed_there_is_sent_again(self, script, folders, copied, capsys):
        copied()
        script.raises["get_status"] = [OFFLINE]
        refused(capsys, lambda: benchmark(folders))
        for call in ("get_model", "get_dataset", "get_job"):
            script.raises[call] = [UserError("ID could not be found.")]
        resume(folders)
        counts = [script.count(name) for name in ("upload_model", "upload_dataset", "submit_inference_job")]
        assert counts == [2, 2, 2]

    def test_a_damaged_ledger_is_one_line(self, script, folders, copied, capsys):
        copied()
        folders["output"].mkdir()
        (folders["output"] / "hub.json").write_text(json.dumps({"format": 1, "models": ["m0"]}))
        assert "hub.json is no list of uploads and jobs of this version" in refused(capsys, lambda: benchmark(folders))


class TestRefusals:
    def test_no_client(self, folders, monkeypatch, capsys):
        monkeypatch.setitem(sys.modules, "qai_hub", None)
        monkeypatch.setitem(sys.modules, "qai_hub.client", None)
        importlib.invalidate_caches()
        line = refused(capsys, lambda: benchmark(folders))
        assert "--device hub needs the client of Qualcomm AI Hub" in line
        assert line.endswith("pip install -e '.[hub]'")

    def test_no_token(self, script, folders, capsys):
        script.token = False
        line = refused(capsys, lambda: benchmark(folders))
        assert "client.ini not found. Please request access" in line
        assert "qai-hub configure --api_token TOKEN" in line
        assert "┌" not in line
        assert "|" not in line

    def test_a_token_that_is_not_taken(self, script, folders, capsys):
        script.raises["get_devices"] = [UserError("Failed to authenticate.\n┌─┐\n| bad or expired API token |\n└─┘")]
        line = refused(capsys, lambda: benchmark(folders))
        assert "refuses this computer (Failed to authenticate. bad or expired API token): qai-hub configure" in line

    def test_no_network(self, script, folders, capsys):
        script.raises["get_devices"] = [OFFLINE]
        assert "Could not connect to Qualcomm AI Hub" in refused(capsys, lambda: benchmark(folders))

    def test_an_unknown_phone_with_the_nearest_names(self, script, folders, capsys):
        line = refused(capsys, lambda: benchmark(folders, phones=("Samsung Galaxy S42",)))
        assert "hosts no phone 'Samsung Galaxy S42': did you mean Samsung Galaxy S2" in line

    def test_no_phone_names_some(self, script, folders, capsys):
        line = refused(capsys, lambda: benchmark(folders, phones=()))
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
    def test_flags_that_mean_nothing_there(self, script, folders, capsys, flags, words):
        assert words in refused(capsys, lambda: benchmark(folders, *flags))

    def test_flags_that_mean_something_there_only(self, folders, capsys):
        line = refused(capsys, lambda: run.main(["--phone", S24, "--output", str(folders["output"])]))
        assert "--phone goes with --device hub, not with cpu" in line

    @pytest.mark.parametrize(
        ("models", "runtimes", "words"),
        [
            (MODEL, "coreml", "has no runtime coreml for these artifacts: choose litert or onnx"),
            ("minivlm-tiny", "litert", "a whole model with --runtimes onnx"),
            ("r101-f", "onnx", "nothing to measure: r101-f in fp32 has no artifact for hosted phones"),
        ],
    )
    def test_what_no_hosted_phone_runs(self, script, folders, capsys, models, runtimes, words):
        assert words in refused(capsys, lambda: benchmark(folders, models=models, runtimes=runtimes))


class TestFailures:
    def failed(self, folders, **given):
        fails(lambda: benchmark(folders, **given))
        (record,) = [record for record in records(folders) if not record.ok]
        return record

    def test_a_job_that_fails_is_a_record_with_its_reason_and_the_others_are_kept(self, script, folders, copied):
        copied()
        script.fails = {S24: "Failed to load model.\nUnsupported operator GATHER_ND"}
        record = self.failed(folders, phones=(S24, S23))
        assert record.error.reason == "job j0: it ended as failed: Failed to load model. Unsupported operator GATHER_ND"
        assert (record.phone, record.environment["phone"]) == (S24, S24)
        assert [each.phone for each in records(folders) if each.ok] == [S23]

    def test_outputs_outside_of_the_artifact_s_bounds(self, script, folders, copied):
        copied()
        script.answer = lambda phone, outputs: {
            name: [array * (1.5 if phone == S23 else 1.0)] for name, (array,) in outputs.items()
        }
        record = self.failed(folders, phones=(S24, S23))
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
    def test_outputs_of_another_kind(self, script, folders, copied, answer, words):
        copied()
        script.answer = answer
        assert words in self.failed(folders).error.reason

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
    def test_a_profile_that_says_something_else(self, script, folders, copied, profile, words):
        copied()
        script.profile = profile
        assert words in self.failed(folders).error.reason

    def test_an_artifact_that_is_not_taken(self, script, folders, copied):
        copied()
        script.raises["upload_model"] = [UserError("The uploaded asset is too large.")]
        record = self.failed(folders)
        assert record.error.reason.endswith("minilm-tiny-onnx-fp32.onnx: The uploaded asset is too large")

    def test_a_job_that_is_not_taken(self, script, folders, copied):
        copied()
        error = UserError("device does not support ONNX model input")
        script.raises["submit_inference_job"] = [error, error]
        assert self.failed(folders).error.reason.endswith("job: device does not support ONNX model input")

    def test_a_quota_lets_the_others_end_first(self, script, folders, copied, capfd):
        copied()
        script.slots = 2
        benchmark(folders, phones=(S24, S23, PIXEL))
        assert len([record for record in records(folders) if record.ok]) == 3
        assert "limit of concurrent jobs" in capfd.readouterr().err

    def test_a_quota_that_is_used_up_is_one_line(self, script, folders, copied, capsys, monkeypatch):
        copied()
        monkeypatch.setattr(hub_jobs, "BUSY_SECONDS", 0.0)
        script.raises["submit_inference_job"] = [RateLimitedError("Too many requests") for _ in range(9)]
        line = refused(capsys, lambda: benchmark(folders))
        assert "takes no more jobs (Too many requests): what was finished is kept; continue later with --resume" in line

    def test_a_job_without_progress_goes_on_there(self, script, folders, copied, capsys, monkeypatch):
        copied()
        script.polls = 10**9
        clock = iter(range(0, 10**9, 400))
        monkeypatch.setattr(hub_jobs.time, "monotonic", lambda: next(clock))
        line = refused(capsys, lambda: benchmark(folders))
        assert "job j0 shows no progress after 600 s of measuring_performance" in line
