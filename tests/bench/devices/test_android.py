"""`bench/run.py --device android` against a scripted adb: the whole way, also on a GPU, and the phone kept awake."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from bench import run
from bench.devices import phone, watching
from bench.records.file import read
from bench.records.record import Case
from export.verify.tolerances import TOLERANCES, tolerances_for
from tests.bench.devices.adb_replies import SERIAL
from tests.bench.devices.android_runs import ALIVE, COPIES, NO_NOTE, NOTE, READY, STARTS, benchmark, says, sends
from tests.bench.devices.phones import MODEL, laid_out, refused, results, status


class TestTheWay:
    def test_a_record_comes_back_with_what_only_the_host_knows(self, adb_program, folders, android_answers):
        waiting = [status("finished", run="an earlier run"), status("running", "loading"), status("running")]
        adb_program.follow(
            [*READY, COPIES, *STARTS, ALIVE, says(*waiting, status("finished", "writing")), sends(android_answers)]
        )
        benchmark(folders)
        (record,) = read(folders["output"] / "records.jsonl")
        assert (record.device, record.runtime, record.status) == ("android", "executorch", "ok")
        assert record.samples == {"forward": [10.0, 12.0, 11.0]}
        assert record.artifact.name == folders["artifact"].name
        assert record.counts.macs > 0

    def test_the_phone_s_serial_number_is_in_the_record_and_the_app_s_own_words_count(
        self, adb_tool, folders, android_answers
    ):
        adb_tool.follow([*READY, COPIES, *STARTS, ALIVE, sends(android_answers)])
        benchmark(folders)
        (record,) = read(folders["output"] / "records.jsonl")
        assert record.environment["serial"] == SERIAL
        assert record.environment["phone"] == "Example Phone", "not the host's Example Phone 5"
        assert (record.environment["cores"], record.environment["system"]) == (8, "Android 14 (API 34)")

    def test_the_app_is_told_the_profile_and_given_everything_that_belongs_to_the_artifact(
        self, adb_tool, folders, android_answers
    ):
        adb_tool.follow([*READY, COPIES, *STARTS, ALIVE, sends(android_answers)])
        benchmark(folders, "--serial", SERIAL, "--cool-down", "7")
        (start,) = [line for line in adb_tool.asked if " am start " in line]
        name = folders["artifact"].name
        assert start.startswith(
            f"-s {SERIAL} shell am start -W -S -n org.minivlm.demo/.BenchmarkActivity --es artifact {name}"
        )
        for extra in ("--ei warmup_runs 1", "--ef warmup_seconds 0.5", "--ei runs 3", "--ef seconds 2.0"):
            assert extra in start
        assert start.endswith("--ei threads 2 --ef cool_down 7.0 --ez verify true")
        assert "sustained" not in start
        pushed = [line.split()[-1] for line in adb_tool.asked if " push " in line]
        stem = folders["artifact"].stem
        assert pushed == [f"/data/local/tmp/minivlm/{item}" for item in ("china.jpg", name, f"{stem}.json", stem)]

    def test_what_is_left_of_an_earlier_start_is_stopped_before_the_clock_is_read(
        self, adb_tool, folders, android_answers
    ):
        adb_tool.follow([*READY, COPIES, *STARTS, ALIVE, sends(android_answers)])
        benchmark(folders)
        words = ("force-stop", "KEYCODE_WAKEUP", "date", "am start")
        start = next(place for place, line in enumerate(adb_tool.asked) if " am start " in line)
        asked = adb_tool.asked[start - 3 : start + 1]
        assert [next(word for word in words if word in line) for line in asked] == list(words)

    def test_a_long_measurement_runs_for_its_minutes_and_not_as_the_profile_says(
        self, adb_tool, folders, android_answers
    ):
        adb_tool.follow([*READY, COPIES, *STARTS, ALIVE, sends(android_answers)])
        benchmark(folders, "--profile", "normal", "--repeats", "1", "--sustained", "10")
        (start,) = [line for line in adb_tool.asked if " am start " in line]
        assert "--ez sustained true" in start
        assert "--ei runs 3 --ef seconds 600.0" in start, "at least as many runs as the profile's slowest models make"
        assert "--ef warmup_cap 10.0" in start
        assert "--ef cap" not in start, "nothing ends it early"

    def test_without_a_number_of_threads_it_is_the_paper_s_whatever_this_machine_has(
        self, adb_tool, folders, android_answers
    ):
        adb_tool.follow([*READY, COPIES, *STARTS, ALIVE, sends(android_answers)])
        paths = ["--artifacts", str(folders["artifacts"]), "--output", str(folders["output"])]
        run.main(["--device", "android", "--models", MODEL, "--profile", "quick", *paths])
        (start,) = [line for line in adb_tool.asked if " am start " in line]
        assert "--ei threads 4 " in start

    @pytest.mark.parametrize(("threads", "warned"), [("8", False), ("9", True)])
    def test_more_threads_than_the_phone_has_cores_are_warned_of(
        self, adb_tool, folders, android_answers, capfd, threads, warned
    ):
        adb_tool.follow([*READY, COPIES, *STARTS, ALIVE, sends(android_answers)])
        benchmark(folders, "--threads", threads)
        assert (f"{threads} threads on 8 cores: more threads than cores" in capfd.readouterr().err) is warned

    def test_a_phone_that_does_not_tell_its_cores_is_no_obstacle(self, adb_tool, folders, android_answers):
        silent = ("nproc", [{"err": "/system/bin/sh: nproc: inaccessible or not found\n", "code": 127}])
        adb_tool.follow([silent, *READY, COPIES, *STARTS, ALIVE, sends(android_answers)])
        benchmark(folders)
        assert "cores" not in read(folders["output"] / "records.jsonl")[0].environment

    def test_while_the_app_measures_it_is_left_alone(self):
        # A measurement of 60 s: nobody asks for 30 s, then near its end, and ever less often where it takes longer.
        assert [watching._pause(passed, 60.0) for passed in (0.0, 30.0, 58.0, 90.0)] == [30.0, 30.0, 30.0, 30.0]
        assert [watching._pause(passed, 5.0) for passed in (0.0, 5.0, 10.0, 20.0)] == [5.0, 5.0, 10.0, 20.0]
        assert watching._pause(0.0, 0.0) == 1.0


class TestAccelerators:
    @pytest.fixture
    def folders(self, tmp_path, exported) -> dict[str, Path]:
        return laid_out(exported(MODEL, "litert").artifact, tmp_path)

    @pytest.fixture
    def android_answers(self, folders, tmp_path) -> Path:
        return results(tmp_path / "app", folders["artifact"], "android", runtime="litert")

    def starts(self, adb_tool) -> list[str]:
        return [line for line in adb_tool.asked if " am start " in line]

    def test_the_app_is_told_the_gpu_and_given_the_pieces(self, adb_tool, folders, android_answers):
        adb_tool.follow([*READY, COPIES, *STARTS, ALIVE, sends(android_answers)])
        benchmark(folders, "--runtimes", "litert", "--accelerators", "gpu")
        (start,) = self.starts(adb_tool)
        assert "--es accelerator gpu" in start
        (record,) = read(folders["output"] / "records.jsonl")
        assert (record.runtime, record.accelerator, record.status) == ("litert", "gpu", "ok")
        pushed = [line.split()[-1].rpartition("/")[2] for line in adb_tool.asked if " push " in line]
        assert pushed[-1] == f"{folders['artifact'].stem}-pieces"
        into = [line for line in adb_tool.asked if "-pieces" in line and "run-as" in line]
        assert into[-1].endswith("files/models/")

    def test_the_cpu_needs_neither(self, adb_tool, folders, android_answers):
        adb_tool.follow([*READY, COPIES, *STARTS, ALIVE, sends(android_answers)])
        benchmark(folders, "--runtimes", "litert")
        assert "accelerator" not in self.starts(adb_tool)[0]
        assert not [line for line in adb_tool.asked if "-pieces" in line]
        assert read(folders["output"] / "records.jsonl")[0].accelerator == ""

    def test_both_are_cases_of_their_own_and_the_artifact_goes_over_once(self, adb_tool, folders, android_answers):
        adb_tool.follow([*READY, COPIES, *STARTS, ALIVE, sends(android_answers)])
        benchmark(folders, "--runtimes", "litert", "--accelerators", "cpu,gpu")
        assert [record.accelerator for record in read(folders["output"] / "records.jsonl")] == ["", "gpu"]
        assert (
            len([line for line in adb_tool.asked if " push " in line and line.endswith(folders["artifact"].name)]) == 1
        )

    def test_what_the_gpu_does_not_compute_is_not_asked_for(self, adb_tool, folders, capsys):
        adb_tool.follow(READY)
        for flags in (("--runtimes", "executorch"), ("--runtimes", "litert", "--precision", "int8")):
            given = (*flags, "--accelerators", "gpu")
            message = refused(capsys, lambda given=given: benchmark(folders, *given))
            assert "has no artifact for phones on what is asked for" in message

    def test_the_gpu_s_outputs_have_bounds_of_their_own(self):
        """export/verify/tolerances.py: LiteRT's GPU adds up in fp16."""
        sidecar = SimpleNamespace(runtime="litert", precision="fp16", weights=SimpleNamespace(random=True))
        case = Case("android", MODEL, "litert", "fp16", 4, accelerator="gpu")
        assert phone._is_cut(case)
        assert tolerances_for(sidecar, case.accelerator) == TOLERANCES["litert gpu fp16"]
        assert not phone._is_cut(case._replace(accelerator=""))
        assert tolerances_for(sidecar) == TOLERANCES["fp16"]


class TestAwake:
    """The setting is the user's: it is put back however the run ends, at the latest by the next run."""

    def changes(self, adb_tool) -> list[str]:
        words = ("settings put", "settings delete", "stayon", "echo", f"rm {NOTE}")
        return [line.split("shell ")[1] for line in adb_tool.asked if any(word in line for word in words)]

    def test_it_is_kept_awake_and_put_back(self, adb_tool, folders, android_answers):
        adb_tool.follow([*READY, COPIES, *STARTS, ALIVE, sends(android_answers)])
        benchmark(folders)
        held, awake, back, forgotten = self.changes(adb_tool)
        assert held.endswith(f"echo 0 > {NOTE}")
        assert awake == "svc power stayon true"
        assert back == "settings put global stay_on_while_plugged_in 0"
        assert forgotten == f"rm {NOTE}"

    def test_a_setting_that_was_never_made_is_taken_away_again(self, adb_tool, folders, android_answers):
        never = [(f"cat {NOTE}", [NO_NOTE, {"out": "null\n"}]), ("settings get", [{"out": "null\n"}])]
        adb_tool.follow([*never, *READY, COPIES, *STARTS, ALIVE, sends(android_answers)])
        benchmark(folders)
        assert "settings delete global stay_on_while_plugged_in" in self.changes(adb_tool)

    def test_what_a_run_that_was_cut_off_left_is_put_back_by_the_next(self, adb_tool, folders, android_answers):
        left = [(f"cat {NOTE}", [{"out": "3\n"}]), ("settings get", [{"out": "7\n"}])]
        adb_tool.follow([*left, *READY, COPIES, *STARTS, ALIVE, sends(android_answers)])
        benchmark(folders)
        assert "settings put global stay_on_while_plugged_in 3" in self.changes(adb_tool)

    @pytest.mark.parametrize("how", ["Ctrl-C", "the phone's fault"])
    def test_it_is_put_back_when_the_run_does_not_end_well(self, adb_tool, folders, android_answers, monkeypatch, how):
        adb_tool.follow([*READY, COPIES, *STARTS, ALIVE, sends(android_answers)])
        error = KeyboardInterrupt if how == "Ctrl-C" else watching.Failure

        def interrupted(*_):
            raise error if how == "Ctrl-C" else OSError

        monkeypatch.setattr("bench.devices.phone.watch", interrupted)
        with pytest.raises((KeyboardInterrupt, OSError)):
            benchmark(folders)
        assert "settings put global stay_on_while_plugged_in 0" in self.changes(adb_tool)
        assert adb_tool.asked[-1].endswith(f"rm {NOTE}")

    def test_a_phone_that_does_not_allow_it_is_measured_all_the_same(self, adb_tool, folders, android_answers, capfd):
        denied = {"err": "java.lang.SecurityException: uid 2000 does not have WRITE_SECURE_SETTINGS.\n", "code": 255}
        adb_tool.follow([("svc power|settings put", [denied]), *READY, COPIES, *STARTS, ALIVE, sends(android_answers)])
        benchmark(folders)
        shown = capfd.readouterr().err
        assert "does not let adb keep it awake (java.lang.SecurityException" in shown
        assert "still stays awake while it charges" in shown


@pytest.mark.parametrize(
    ("flags", "part"),
    [
        (["--udid", "X"], "--udid goes with --device ios"),
        (["--runtimes", "pytorch"], "the android app has no runtime pytorch: choose executorch"),
        (["--models", "r101-f-tiny"], "has no artifact for phones"),
        (["--cool-down", "-1"], "--cool-down -1: give seconds"),
    ],
)
def test_flags_that_a_phone_does_not_take(adb_tool, folders, capsys, flags, part):
    adb_tool.follow(READY)
    assert part in refused(capsys, lambda: benchmark(folders, *flags))
