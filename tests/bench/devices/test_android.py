"""`bench/run.py --device android` against a scripted adb: the whole way, and everything that goes wrong on it."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench import run
from bench.devices import adb, phone, watching
from bench.records.file import read
from bench.records.record import Case
from export.verify.tolerances import TOLERANCES, tolerances_for
from minivlm.errors import run_command
from tests.bench.devices import adb_replies as replies
from tests.bench.devices.adb_replies import PID, SERIAL, STARTED, devices
from tests.bench.devices.phones import MODEL, Tool, results, status

CONNECTED = ("^devices$", [{"out": devices(**{SERIAL: "device"})}])
INSTALLED = ("pm path", [{"out": "package:/data/app/~~x==/org.minivlm.demo-y==/base.apk\n"}])
DEBUGGABLE = ("run-as org.minivlm.demo true", [{}])
UNLOCKED = ("dumpsys window", [{"out": replies.UNLOCKED}])
WAKES = ("input keyevent KEYCODE_WAKEUP", [{}])
DESCRIBED = [("getprop$", [{"out": replies.GETPROP}]), ("nproc --all", [{"out": "8\n"}])]
NOTE = "/data/local/tmp/minivlm/stay_on_while_plugged_in"
NO_NOTE = {"err": f"cat: {NOTE}: No such file or directory\n", "code": 1}
SLEEPS = [
    (f"cat {NOTE}", [NO_NOTE, {"out": "0\n"}]),
    ("settings get global stay_on_while_plugged_in", [{"out": "0\n"}]),
    ("(settings put|settings delete|svc power stayon|echo )", [{}]),
]
READY = [CONNECTED, INSTALLED, DEBUGGABLE, UNLOCKED, WAKES, *DESCRIBED, *SLEEPS]
COPIES = ("(shell mkdir|push |shell run-as .* (mkdir|cp) |shell rm )", [{}])
STARTS = [
    ("force-stop", [{}]),
    ("shell date", [{"out": f"{STARTED}\n"}]),
    ("shell am start", [{"out": replies.STARTED_ACTIVITY}]),
]
ALIVE = ("shell pidof", [{"out": f"{PID}\n"}])
GONE = ("shell pidof", [{"out": f"{PID}\n"}, {"code": 1}])
WORDS = ("logcat -d -t 11-26 10:00:00.000 -v tag|logcat -d -t .* -v tag", [{"out": replies.WORDS}])
NO_RECORD = (
    "cat files/results/records",
    [{"err": "cat: files/results/records.jsonl: No such file or directory\n", "code": 1}],
)


def says(*lines: str) -> tuple[str, list[dict]]:
    return ("cat files/results/status.json", [{"out": line} for line in lines])


def sends(folder: Path) -> tuple[str, list[dict]]:
    return (r"cat files/results/([^\s\']+)", [{"folder": str(folder)}])


def dies(listed: str, crash: str = "") -> list[tuple[str, list[dict]]]:
    return [
        GONE,
        ("exit-info org.minivlm.demo", [{"out": listed}]),
        ("logcat .*-b crash", [{"out": crash}]),
        WORDS,
        says(status("running", "loading")),
        NO_RECORD,
    ]


@pytest.fixture
def program(tmp_path, monkeypatch) -> Tool:
    """An adb that is a program of its own."""
    for module, name in ((watching, "POLL"), (watching, "QUIET"), (adb, "RETURN"), (adb, "LOOK")):
        monkeypatch.setattr(module, f"{name}_SECONDS", 0.0)
    return Tool(tmp_path, "adb", monkeypatch)


@pytest.fixture
def tool(program, monkeypatch) -> Tool:
    """The same without starting it each time, and without the report at the end."""
    monkeypatch.setattr(adb, "run_tool", program.answer)
    monkeypatch.setattr(run, "write_report", lambda records, folder: [])
    return program


@pytest.fixture
def folders(tmp_path, exported) -> dict[str, Path]:
    """An artifact that is there, and an empty folder for records."""
    source, artifacts = exported(MODEL).artifact, tmp_path / "artifacts"
    artifacts.mkdir()
    for path in (source, source.with_suffix(".json")):
        shutil.copy(path, artifacts)
    return {"artifact": artifacts / source.name, "artifacts": artifacts, "output": tmp_path / "records"}


@pytest.fixture
def answers(folders, tmp_path) -> Path:
    """What the app leaves."""
    return results(tmp_path / "app", folders["artifact"], "android")


def benchmark(folders, *flags: str) -> None:
    given = ["--device", "android", "--models", MODEL, "--profile", "quick", "--timeout", "20", "--cool-down", "0"]
    threads = [] if "--threads" in flags else ["--threads", "2"]
    paths = ["--artifacts", str(folders["artifacts"]), "--output", str(folders["output"])]
    run.main([*given, *threads, *paths, *flags])


def refused(capsys, call) -> str:
    """Run a command that must end with exit code 2; returns its one line of complaint."""
    with pytest.raises(SystemExit) as caught:
        run_command(call)
    assert caught.value.code == 2
    error = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(error) == 1
    return error[0]


def failed(folders, *flags: str):
    """Run a benchmark whose one measurement fails; returns its record."""
    with pytest.raises(SystemExit) as caught:
        benchmark(folders, *flags)
    assert caught.value.code == 1
    (record,) = read(folders["output"] / "records.jsonl")
    return record


class TestTheWay:
    def test_a_record_comes_back_with_what_only_the_host_knows(self, program, folders, answers):
        waiting = [status("finished", run="an earlier run"), status("running", "loading"), status("running")]
        program.follow([*READY, COPIES, *STARTS, ALIVE, says(*waiting, status("finished", "writing")), sends(answers)])
        benchmark(folders)
        (record,) = read(folders["output"] / "records.jsonl")
        assert (record.device, record.runtime, record.status) == ("android", "executorch", "ok")
        assert record.samples == {"forward": [10.0, 12.0, 11.0]}
        assert record.artifact.name == folders["artifact"].name
        assert record.counts.macs > 0

    def test_the_phone_s_serial_number_is_in_the_record_and_the_app_s_own_words_count(self, tool, folders, answers):
        tool.follow([*READY, COPIES, *STARTS, ALIVE, sends(answers)])
        benchmark(folders)
        (record,) = read(folders["output"] / "records.jsonl")
        assert record.environment["serial"] == SERIAL
        assert record.environment["phone"] == "Example Phone", "not the host's Example Phone 5"
        assert (record.environment["cores"], record.environment["system"]) == (8, "Android 14 (API 34)")

    def test_the_app_is_told_the_profile_and_given_everything_that_belongs_to_the_artifact(
        self, tool, folders, answers
    ):
        tool.follow([*READY, COPIES, *STARTS, ALIVE, sends(answers)])
        benchmark(folders, "--serial", SERIAL, "--cool-down", "7")
        (start,) = [line for line in tool.asked if " am start " in line]
        name = folders["artifact"].name
        assert start.startswith(
            f"-s {SERIAL} shell am start -W -S -n org.minivlm.demo/.BenchmarkActivity --es artifact {name}"
        )
        for extra in ("--ei warmup_runs 1", "--ef warmup_seconds 0.5", "--ei runs 3", "--ef seconds 2.0"):
            assert extra in start
        assert start.endswith("--ei threads 2 --ef cool_down 7.0 --ez verify true")
        assert "sustained" not in start
        pushed = [line.split()[-1] for line in tool.asked if " push " in line]
        stem = folders["artifact"].stem
        assert pushed == [f"/data/local/tmp/minivlm/{item}" for item in ("china.jpg", name, f"{stem}.json", stem)]

    def test_what_is_left_of_an_earlier_start_is_stopped_before_the_clock_is_read(self, tool, folders, answers):
        tool.follow([*READY, COPIES, *STARTS, ALIVE, sends(answers)])
        benchmark(folders)
        words = ("force-stop", "KEYCODE_WAKEUP", "date", "am start")
        start = next(place for place, line in enumerate(tool.asked) if " am start " in line)
        asked = tool.asked[start - 3 : start + 1]
        assert [next(word for word in words if word in line) for line in asked] == list(words)

    def test_a_long_measurement_runs_for_its_minutes_and_not_as_the_profile_says(self, tool, folders, answers):
        tool.follow([*READY, COPIES, *STARTS, ALIVE, sends(answers)])
        benchmark(folders, "--profile", "normal", "--repeats", "1", "--sustained", "10")
        (start,) = [line for line in tool.asked if " am start " in line]
        assert "--ez sustained true" in start
        assert "--ei runs 3 --ef seconds 600.0" in start, "at least as many runs as the profile's slowest models make"
        assert "--ef warmup_cap 10.0" in start
        assert "--ef cap" not in start, "nothing ends it early"

    def test_without_a_number_of_threads_it_is_the_paper_s_whatever_this_machine_has(self, tool, folders, answers):
        tool.follow([*READY, COPIES, *STARTS, ALIVE, sends(answers)])
        paths = ["--artifacts", str(folders["artifacts"]), "--output", str(folders["output"])]
        run.main(["--device", "android", "--models", MODEL, "--profile", "quick", *paths])
        (start,) = [line for line in tool.asked if " am start " in line]
        assert "--ei threads 4 " in start

    @pytest.mark.parametrize(("threads", "warned"), [("8", False), ("9", True)])
    def test_more_threads_than_the_phone_has_cores_are_warned_of(self, tool, folders, answers, capfd, threads, warned):
        tool.follow([*READY, COPIES, *STARTS, ALIVE, sends(answers)])
        benchmark(folders, "--threads", threads)
        assert (f"{threads} threads on 8 cores: more threads than cores" in capfd.readouterr().err) is warned

    def test_a_phone_that_does_not_tell_its_cores_is_no_obstacle(self, tool, folders, answers):
        silent = ("nproc", [{"err": "/system/bin/sh: nproc: inaccessible or not found\n", "code": 127}])
        tool.follow([silent, *READY, COPIES, *STARTS, ALIVE, sends(answers)])
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
        source, artifacts = exported(MODEL, "litert").artifact, tmp_path / "artifacts"
        artifacts.mkdir()
        for path in (source, source.with_suffix(".json")):
            shutil.copy(path, artifacts)
        return {"artifact": artifacts / source.name, "artifacts": artifacts, "output": tmp_path / "records"}

    @pytest.fixture
    def answers(self, folders, tmp_path) -> Path:
        return results(tmp_path / "app", folders["artifact"], "android", runtime="litert")

    def starts(self, tool) -> list[str]:
        return [line for line in tool.asked if " am start " in line]

    def test_the_app_is_told_the_gpu_and_given_the_pieces(self, tool, folders, answers):
        tool.follow([*READY, COPIES, *STARTS, ALIVE, sends(answers)])
        benchmark(folders, "--runtimes", "litert", "--accelerators", "gpu")
        (start,) = self.starts(tool)
        assert "--es accelerator gpu" in start
        (record,) = read(folders["output"] / "records.jsonl")
        assert (record.runtime, record.accelerator, record.status) == ("litert", "gpu", "ok")
        pushed = [line.split()[-1].rpartition("/")[2] for line in tool.asked if " push " in line]
        assert pushed[-1] == f"{folders['artifact'].stem}-pieces"
        into = [line for line in tool.asked if "-pieces" in line and "run-as" in line]
        assert into[-1].endswith("files/models/")

    def test_the_cpu_needs_neither(self, tool, folders, answers):
        tool.follow([*READY, COPIES, *STARTS, ALIVE, sends(answers)])
        benchmark(folders, "--runtimes", "litert")
        assert "accelerator" not in self.starts(tool)[0]
        assert not [line for line in tool.asked if "-pieces" in line]
        assert read(folders["output"] / "records.jsonl")[0].accelerator == ""

    def test_both_are_cases_of_their_own_and_the_artifact_goes_over_once(self, tool, folders, answers):
        tool.follow([*READY, COPIES, *STARTS, ALIVE, sends(answers)])
        benchmark(folders, "--runtimes", "litert", "--accelerators", "cpu,gpu")
        assert [record.accelerator for record in read(folders["output"] / "records.jsonl")] == ["", "gpu"]
        assert len([line for line in tool.asked if " push " in line and line.endswith(folders["artifact"].name)]) == 1

    def test_what_the_gpu_does_not_compute_is_not_asked_for(self, tool, folders, capsys):
        tool.follow(READY)
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

    def changes(self, tool) -> list[str]:
        words = ("settings put", "settings delete", "stayon", "echo", f"rm {NOTE}")
        return [line.split("shell ")[1] for line in tool.asked if any(word in line for word in words)]

    def test_it_is_kept_awake_and_put_back(self, tool, folders, answers):
        tool.follow([*READY, COPIES, *STARTS, ALIVE, sends(answers)])
        benchmark(folders)
        held, awake, back, forgotten = self.changes(tool)
        assert held.endswith(f"echo 0 > {NOTE}")
        assert awake == "svc power stayon true"
        assert back == "settings put global stay_on_while_plugged_in 0"
        assert forgotten == f"rm {NOTE}"

    def test_a_setting_that_was_never_made_is_taken_away_again(self, tool, folders, answers):
        never = [(f"cat {NOTE}", [NO_NOTE, {"out": "null\n"}]), ("settings get", [{"out": "null\n"}])]
        tool.follow([*never, *READY, COPIES, *STARTS, ALIVE, sends(answers)])
        benchmark(folders)
        assert "settings delete global stay_on_while_plugged_in" in self.changes(tool)

    def test_what_a_run_that_was_cut_off_left_is_put_back_by_the_next(self, tool, folders, answers):
        left = [(f"cat {NOTE}", [{"out": "3\n"}]), ("settings get", [{"out": "7\n"}])]
        tool.follow([*left, *READY, COPIES, *STARTS, ALIVE, sends(answers)])
        benchmark(folders)
        assert "settings put global stay_on_while_plugged_in 3" in self.changes(tool)

    @pytest.mark.parametrize("how", ["Ctrl-C", "the phone's fault"])
    def test_it_is_put_back_when_the_run_does_not_end_well(self, tool, folders, answers, monkeypatch, how):
        tool.follow([*READY, COPIES, *STARTS, ALIVE, sends(answers)])
        error = KeyboardInterrupt if how == "Ctrl-C" else watching.Failure

        def interrupted(*_):
            raise error if how == "Ctrl-C" else OSError

        monkeypatch.setattr("bench.devices.phone.watch", interrupted)
        with pytest.raises((KeyboardInterrupt, OSError)):
            benchmark(folders)
        assert "settings put global stay_on_while_plugged_in 0" in self.changes(tool)
        assert tool.asked[-1].endswith(f"rm {NOTE}")

    def test_a_phone_that_does_not_allow_it_is_measured_all_the_same(self, tool, folders, answers, capfd):
        denied = {"err": "java.lang.SecurityException: uid 2000 does not have WRITE_SECURE_SETTINGS.\n", "code": 255}
        tool.follow([("svc power|settings put", [denied]), *READY, COPIES, *STARTS, ALIVE, sends(answers)])
        benchmark(folders)
        shown = capfd.readouterr().err
        assert "does not let adb keep it awake (java.lang.SecurityException" in shown
        assert "still stays awake while it charges" in shown


class TestFailures:
    """What becomes a failed record, after which the run goes on."""

    def test_outputs_that_are_wrong(self, tool, folders, tmp_path):
        answers = results(tmp_path / "app", folders["artifact"], "android", change=lambda raw: bytes(len(raw)))
        tool.follow([*READY, COPIES, *STARTS, ALIVE, sends(answers)])
        record = failed(folders)
        assert "the phone computes something else" in record.error.reason
        assert "caption_logits SQNR" in record.error.reason

    def test_what_the_app_could_not_do(self, tool, folders):
        said = status("failed", "loading", "the model does not load")
        tool.follow([*READY, COPIES, *STARTS, ALIVE, says(said), NO_RECORD])
        record = failed(folders)
        assert record.error.reason == "the model does not load"
        assert record.environment["serial"] == SERIAL

    def test_the_app_s_own_record_of_it_has_the_runtime_s_last_words(self, tool, folders, answers):
        lines = (Path(__file__).parents[2] / "fixtures" / "records" / "android.jsonl").read_text().splitlines()
        mine = lines[1].replace("20260101T000000Z", "{run}").replace('"round":2', '"round":0')
        (answers / "records.jsonl").write_text(mine + "\n")
        tool.follow([*READY, COPIES, *STARTS, ALIVE, says(status("failed", "loading", "short")), sends(answers)])
        record = failed(folders)
        assert record.error.reason == "the program is of a newer version"
        assert record.error.stderr == ["the runtime's last words"]
        assert (record.environment["cpu"], record.model) == ("Example SoC", MODEL)

    @pytest.mark.parametrize(
        ("listed", "crash", "code", "part"),
        [
            (replies.exit_info(replies.entry("3 (LOW_MEMORY)"), replies.STOPPED_BEFORE), "", -9, "short of memory"),
            (
                replies.exit_info(replies.entry("5 (APP CRASH(NATIVE))", 4, "crash")),
                replies.NATIVE_CRASH,
                -4,
                "crashed by SIGILL",
            ),
            (replies.exit_info(replies.entry("6 (ANR)")), "", None, "did not answer"),
            (replies.exit_info(replies.entry("10 (USER REQUESTED)")), "", None, "was stopped by the user"),
            (replies.NO_EXIT_INFO, replies.KOTLIN_CRASH, None, "crashed (java.lang.UnsatisfiedLinkError"),
            (replies.NO_EXIT_INFO, "", None, "the phone does not say why"),
        ],
        ids=["memory", "signal", "ANR", "user", "old Android", "no trace"],
    )
    def test_an_app_that_dies_says_why_and_its_last_words_are_kept(self, tool, folders, listed, crash, code, part):
        tool.follow([*READY, COPIES, *STARTS, *dies(listed, crash)])
        record = failed(folders)
        assert record.error.exit == code
        assert record.error.reason.startswith("while loading, the app ")
        assert part in record.error.reason
        assert record.error.stderr[-1] == "I/ExecuTorch: loading the program"
        assert any(f"logcat -d -t '11-26 10:00:00.000' -v tag --pid={PID}" in line for line in tool.asked)

    def test_after_a_death_the_next_case_is_measured(self, tool, folders, answers):
        gone = ("shell pidof", [{"code": 1}] * 3 + [{"out": f"{PID}\n"}])
        said = says(*[status("running", "loading")] * 3, status("finished", "writing"))
        record = ("cat files/results/(records.jsonl)", [NO_RECORD[1][0], {"folder": str(answers)}])
        unknown = [rule for rule in dies(replies.NO_EXIT_INFO) if "exit-info" in rule[0] or "logcat" in rule[0]]
        tool.follow([*READY, COPIES, *STARTS, gone, *unknown, said, record, sends(answers)])
        with pytest.raises(SystemExit):
            benchmark(folders, "--threads", "1,2")
        assert [record.ok for record in read(folders["output"] / "records.jsonl")] == [False, True]

    def test_an_app_that_shows_no_progress(self, tool, folders):
        tool.follow([*READY, COPIES, *STARTS, ALIVE, says(status("running", "loading")), WORDS, NO_RECORD])
        record = failed(folders, "--timeout", "1", "--cool-down", "0")
        assert "shows no progress after 1 s of loading" in record.error.reason
        assert record.error.stderr[-1] == "I/ExecuTorch: loading the program"

    def test_a_start_whose_screen_never_showed_is_watched_like_any_other(self, tool, folders, answers):
        locked = ("am start", [{"out": replies.NOT_DRAWN}])
        tool.follow([locked, *READY, COPIES, *STARTS, ALIVE, sends(answers)])
        benchmark(folders)
        assert read(folders["output"] / "records.jsonl")[0].ok


ABSENT = {"err": f"adb: device '{SERIAL}' not found\n", "code": 1}
EOF = {"err": "adb: error: failed to read copy response: EOF\n", "code": 1}
CLOSED = {"err": "error: closed\n", "code": 1}


def unplugged(after: int, state: str = "") -> tuple[str, list[dict]]:
    """`adb devices`, in which the phone is there for so many times."""
    then = devices(**{SERIAL: state}) if state else devices()
    return ("^devices$", [*[CONNECTED[1][0]] * after, {"out": then}])


class TestFaults:
    """What ends the run, in one line with a way out."""

    @pytest.mark.parametrize(
        ("rules", "part"),
        [
            ([("^devices$", [{"out": devices()}])], "adb sees no phone: connect one"),
            ([("^devices$", [{"out": devices(**{SERIAL: "unauthorized"})}])], "does not trust this computer yet"),
            ([("^devices$", [{"out": devices(**{SERIAL: "authorizing"})}])], "does not trust this computer yet"),
            ([("^devices$", [{"out": devices(**{SERIAL: "offline"})}])], "is offline: connect it again"),
            ([("^devices$", [{"out": devices(**{SERIAL: "recovery"})}])], "is recovery: connect it again"),
            ([("^devices$", [{"out": devices(**{SERIAL: replies.NO_PERMISSIONS})}])], "install its udev rules"),
            ([("^devices$", [{"out": devices(A="device", B="offline")}])], "name one with --serial, of A, B (offline)"),
            ([("^devices$", [{"err": "cannot start daemon\n", "code": 1}])], "adb does not work (cannot start daemon)"),
            ([CONNECTED, ("pm path", [{"code": 1}])], "./gradlew installDebug"),
            (
                [CONNECTED, ("pm path", [{"err": "cmd: Can't find service: package\n", "code": 20}])],
                "wait until it has started",
            ),
            (
                [
                    CONNECTED,
                    INSTALLED,
                    ("run-as", [{"err": "run-as: package not debuggable: org.minivlm.demo\n", "code": 1}]),
                ],
                "cannot reach the app's files (run-as: package not debuggable",
            ),
            ([("dumpsys window", [{"out": replies.LOCKED}]), *READY], "is locked"),
            (
                [*READY, ("run-as .* cp", [{"err": "cp: /x: No space left on device\n", "code": 1}]), COPIES],
                "storage is full",
            ),
            ([unplugged(1), *READY[1:], ("push ", [ABSENT]), COPIES], "is no longer connected"),
            ([unplugged(1), *READY[1:], ("push ", [EOF]), COPIES], "is no longer connected"),
            ([unplugged(1, "offline"), *READY[1:], ("push ", [EOF]), COPIES], f"{SERIAL} is offline"),
            ([unplugged(1, "unauthorized"), *READY[1:], ("push ", [CLOSED]), COPIES], "connect it again and use"),
            ([*READY, ("push ", [EOF]), COPIES], "cannot copy china.jpg to the phone (adb: error: failed to read copy"),
            (
                [*READY, COPIES, ("am start", [{"out": replies.NO_ACTIVITY}]), *STARTS],
                "does not exist.): install it again",
            ),
            (
                [
                    *READY,
                    COPIES,
                    *STARTS,
                    ALIVE,
                    ("cat files", [{"err": "run-as: couldn't stat: No such file\n", "code": 1}]),
                ],
                "cannot read the app's results/status.json",
            ),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_faults_are_one_line_with_a_way_out(self, tool, folders, capsys, rules, part):
        tool.follow(rules)
        assert part in refused(capsys, lambda: benchmark(folders))

    def test_a_phone_that_is_unplugged_while_it_measures(self, tool, folders, capsys):
        # The message says nothing of that: only the list of devices does. One question each for the note that is not
        # there and the choice of the phone, then it is gone.
        cut = [{"out": status("running")}, {"code": 1}]
        tool.follow([unplugged(2), *READY[1:], COPIES, *STARTS, ALIVE, ("cat files", cut)])
        assert "is no longer connected (exit code 1): connect it again and use --resume" in refused(
            capsys, lambda: benchmark(folders)
        )

    @pytest.mark.parametrize("fault", [EOF, CLOSED, {"err": "adb: error: couldn't read from device\n", "code": 1}])
    def test_a_fault_that_passes_is_tried_again(self, tool, folders, answers, fault):
        tool.follow([("push ", [fault, fault, {}]), *READY, COPIES, *STARTS, ALIVE, sends(answers)])
        benchmark(folders)
        assert read(folders["output"] / "records.jsonl")[0].ok

    def test_a_phone_that_drops_its_connection_and_comes_back_is_waited_for(self, tool, folders, answers, monkeypatch):
        monkeypatch.setattr(adb, "RETURN_SECONDS", 30.0)
        there, away = CONNECTED[1][0], {"out": devices()}
        comes_back = ("^devices$", [there, there, away, away, there])
        lost = ("push ", [{"code": 1}, {}])  # it may say nothing at all
        tool.follow([comes_back, lost, *READY[1:], COPIES, *STARTS, ALIVE, sends(answers)])
        benchmark(folders)
        assert read(folders["output"] / "records.jsonl")[0].ok

    def test_a_command_that_hangs(self, program, folders, capsys, monkeypatch):
        monkeypatch.setattr(adb, "COMMAND_SECONDS", 1.0)
        program.follow([("getprop", [{"sleep": 60}]), *READY])
        assert "adb did not answer within 1 s: check the cable" in refused(capsys, lambda: benchmark(folders))

    def test_outputs_that_were_damaged_on_their_way_are_not_taken_for_a_wrong_model(
        self, tool, folders, answers, capsys
    ):
        (file,) = answers.rglob("forward-pooled.bin")
        file.write_bytes(file.read_bytes()[:-4])
        tool.follow([*READY, COPIES, *STARTS, ALIVE, sends(answers)])
        assert "forward-pooled.bin arrived damaged" in refused(capsys, lambda: benchmark(folders))

    def test_on_a_fresh_install_the_first_question_comes_before_the_app_s_first_word(self, tool, folders, answers):
        first = {"err": "cat: files/results/status.json: No such file or directory\n", "code": 1}
        late = ("cat files/results/status.json", [first, first, {"out": status("finished", "writing")}])
        tool.follow([late, *READY, COPIES, *STARTS, ALIVE, sends(answers)])
        benchmark(folders)
        assert read(folders["output"] / "records.jsonl")[0].ok

    def test_a_serial_that_is_not_there(self, tool, folders, capsys):
        tool.follow(READY)
        assert f"no phone OTHER: it sees {SERIAL}" in refused(capsys, lambda: benchmark(folders, "--serial", "OTHER"))

    def test_without_adb(self, folders, tmp_path, monkeypatch, capsys):
        monkeypatch.setenv("PATH", str(tmp_path))
        assert "adb is not on the PATH" in refused(capsys, lambda: benchmark(folders))

    def test_what_was_measured_before_the_phone_went_away_is_kept_and_the_run_goes_on_from_there(
        self, tool, folders, answers, capsys
    ):
        start = ("am start", [{}, ABSENT])
        tool.follow([unplugged(2), start, *READY[1:], COPIES, *STARTS, ALIVE, sends(answers)])
        assert "no longer connected" in refused(capsys, lambda: benchmark(folders, "--threads", "1,2"))
        assert len(read(folders["output"] / "records.jsonl")) == 1
        tool.follow([*READY, COPIES, *STARTS, ALIVE, sends(answers)])
        run.main(["--resume", "--output", str(folders["output"])])
        assert len([line for line in tool.asked if " am start " in line]) == 1


@pytest.mark.parametrize(
    ("flags", "part"),
    [
        (["--udid", "X"], "--udid goes with --device ios"),
        (["--runtimes", "pytorch"], "the android app has no runtime pytorch: choose executorch"),
        (["--models", "r101-f-tiny"], "has no artifact for phones"),
        (["--cool-down", "-1"], "--cool-down -1: give seconds"),
    ],
)
def test_flags_that_a_phone_does_not_take(tool, folders, capsys, flags, part):
    tool.follow(READY)
    assert part in refused(capsys, lambda: benchmark(folders, *flags))
