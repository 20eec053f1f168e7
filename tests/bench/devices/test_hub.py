"""`bench/run.py --device hub` against a stand-in for the service's client: the whole way, and how it goes on."""

import json

import pytest

from tests.bench.devices.hub_client import MICROSECONDS, PEAK, UserError
from tests.bench.devices.hub_runs import OFFLINE, PIXEL, S23, S24, benchmark, fails, records, resume
from tests.bench.devices.phones import refused


class TestTheWay:
    @pytest.mark.parametrize("runtime", ["onnx", "litert"])
    def test_a_record_has_the_profile_s_times_memory_and_units(self, hub, hub_folders, hub_copy, runtime):
        path = hub_copy(runtime=runtime)
        benchmark(hub_folders, "--accelerators", "npu", "--threads", "2", runtimes=runtime)
        (record,) = records(hub_folders)
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

    def test_options_say_unit_runs_threads_and_that_fp32_stays_fp32(self, hub, hub_folders, hub_copy):
        hub_copy(runtime="litert"), hub_copy()
        benchmark(hub_folders, "--threads", "2", runtimes="litert,onnx")
        options = [call[3] for call in hub.calls if call[0] == "submit_inference_job"]
        common = "--compute_unit cpu --max_profiler_iterations 100"
        assert options == [
            f"{common} --tflite_options number_of_threads=2;allow_fp32_as_fp16=false",
            f"{common} --onnx_options intra_op_num_threads=2",
        ]

    def test_all_phones_and_rounds_are_submitted_before_any_is_waited_for_and_uploaded_once(
        self, hub, hub_folders, hub_copy
    ):
        hub_copy()
        benchmark(hub_folders, "--repeats", "2", "--accelerators", "cpu,gpu", phones=(S24, S23, PIXEL))
        names = [call[0] for call in hub.calls]
        assert names.count("submit_inference_job") == 2 * 2 * 3
        assert "get_status" not in names[: len(names) - names[::-1].index("submit_inference_job")]
        assert (names.count("upload_model"), names.count("upload_dataset")) == (1, 1)
        found = records(hub_folders)
        assert len({(record.round, record.case) for record in found}) == 12
        assert {record.environment["phone"] for record in found} == {S24, S23, PIXEL}

    def test_a_whole_model_is_measured_method_by_method_on_onnx_and_left_out_on_litert(
        self, hub, hub_folders, hub_copy, capfd
    ):
        hub_copy("minivlm-tiny")
        benchmark(hub_folders, models="minivlm-tiny", runtimes="onnx,litert")
        assert [(record.method, record.runtime) for record in records(hub_folders)] == [
            ("regions", "onnx"),
            ("prefill", "onnx"),
            ("step", "onnx"),
        ]
        assert all(list(record.samples) == [record.method] for record in records(hub_folders))
        assert hub.count("upload_model") == 3
        assert "left out: minivlm-tiny on litert, whose file has several signatures" in capfd.readouterr().err

    def test_progress_says_where_this_job_is_and_how_far_all_are(self, hub, hub_folders, hub_copy, capfd):
        hub_copy()
        benchmark(hub_folders, phones=(S24, S23))
        said = capfd.readouterr().err
        assert "created; 0 of 2 jobs have ended" in said
        assert "provisioning_device; 0 of 2 jobs have ended, 0 wait for a phone" in said

    def test_outputs_that_the_service_names_itself_are_taken_in_the_file_s_order(self, hub, hub_folders, hub_copy):
        hub_copy(runtime="litert")
        hub.answer = lambda phone, outputs: {f"output_{number}": array for number, array in enumerate(outputs.values())}
        benchmark(hub_folders, runtimes="litert")
        assert records(hub_folders)[0].ok


class TestResuming:
    def test_collects_jobs_that_were_submitted(self, hub, hub_folders, hub_copy, capsys):
        hub_copy()
        hub.raises["get_status"] = [OFFLINE]
        assert "Could not connect to Qualcomm AI Hub" in refused(
            capsys, lambda: benchmark(hub_folders, phones=(S24, S23))
        )
        resume(hub_folders)
        assert hub.count("submit_inference_job") == 2
        assert (hub.count("upload_model"), hub.count("upload_dataset")) == (1, 1)
        assert [record.phone for record in records(hub_folders)] == [S24, S23]

    def test_keeps_what_was_finished_when_the_network_goes(self, hub, hub_folders, hub_copy, capsys):
        hub_copy()
        hub.raises["download_profile"] = [None, OFFLINE]
        line = refused(capsys, lambda: benchmark(hub_folders, phones=(S24, S23)))
        assert line.endswith("what was finished is kept, and jobs go on there; continue with --resume")
        assert [record.phone for record in records(hub_folders)] == [S24]
        resume(hub_folders)
        assert [record.phone for record in records(hub_folders)] == [S24, S23]
        assert hub.count("submit_inference_job") == 2

    def test_measures_anew_what_failed(self, hub, hub_folders, hub_copy):
        hub_copy()
        hub.fails = {S23: "The device went offline."}
        fails(lambda: benchmark(hub_folders, phones=(S24, S23)))
        hub.fails = {}
        resume(hub_folders)
        assert [call[1] for call in hub.calls if call[0] == "submit_inference_job"] == [S24, S23, S23]
        assert [(record.phone, record.ok) for record in records(hub_folders)] == [
            (S24, True),
            (S23, False),
            (S23, True),
        ]

    def test_what_was_removed_there_is_sent_again(self, hub, hub_folders, hub_copy, capsys):
        hub_copy()
        hub.raises["get_status"] = [OFFLINE]
        refused(capsys, lambda: benchmark(hub_folders))
        for call in ("get_model", "get_dataset", "get_job"):
            hub.raises[call] = [UserError("ID could not be found.")]
        resume(hub_folders)
        counts = [hub.count(name) for name in ("upload_model", "upload_dataset", "submit_inference_job")]
        assert counts == [2, 2, 2]

    def test_a_damaged_ledger_is_one_line(self, hub, hub_folders, hub_copy, capsys):
        hub_copy()
        hub_folders["output"].mkdir()
        (hub_folders["output"] / "hub.json").write_text(json.dumps({"format": 1, "models": ["m0"]}))
        assert "hub.json is no list of uploads and jobs of this version" in refused(
            capsys, lambda: benchmark(hub_folders)
        )
