"""`bench/run.py --device android` against a scripted adb: the whole way, and everything that goes wrong on it."""

import shutil
from pathlib import Path

import pytest

from bench import run
from bench.devices import phone
from bench.records.file import read
from minivlm.errors import run_command
from tests.bench.devices.phones import MODEL, Tool, results, status

SERIAL = "R58N12ABCDE"
CONNECTED = ("^devices$", [{"out": f"List of devices attached\n{SERIAL}\tdevice\n"}])
INSTALLED = ("pm path", [{"out": "package:/data/app/org.minivlm.demo/base.apk\n"}])
UNLOCKED = ("dumpsys window", [{"out": "  mDreamingLockscreen=false\n"}])
READY = [CONNECTED, INSTALLED, UNLOCKED]
COPIES = ("(shell mkdir|push |shell run-as .* (mkdir|cp) |shell rm )", [{}])
STARTS = ("shell am start", [{"out": "Starting: Intent\nStatus: ok\n"}])
ALIVE = ("shell pidof", [{"out": "4711\n"}])


def says(*lines: str) -> tuple[str, list[dict]]:
    return ("cat files/results/status.json", [{"out": line} for line in lines])


def sends(folder: Path) -> tuple[str, list[dict]]:
    return (r"cat files/results/(\S+)", [{"folder": str(folder)}])


@pytest.fixture
def tool(tmp_path, monkeypatch) -> Tool:
    monkeypatch.setattr(phone, "POLL_SECONDS", 0.0)
    return Tool(tmp_path, "adb", monkeypatch)


@pytest.fixture
def folders(tmp_path, exported) -> dict[str, Path]:
    """An artifact that is there, and an empty folder for records."""
    source, artifacts = exported(MODEL).artifact, tmp_path / "artifacts"
    artifacts.mkdir()
    for path in (source, source.with_suffix(".json")):
        shutil.copy(path, artifacts)
    return {"artifact": artifacts / source.name, "artifacts": artifacts, "output": tmp_path / "records"}


def benchmark(folders, *flags: str) -> None:
    given = ["--device", "android", "--models", MODEL, "--profile", "quick", "--threads", "2"]
    run.main([*given, "--artifacts", str(folders["artifacts"]), "--output", str(folders["output"]), *flags])


def refused(capsys, call) -> str:
    """Run a command that must end with exit code 2; returns its one line of complaint."""
    with pytest.raises(SystemExit) as caught:
        run_command(call)
    assert caught.value.code == 2
    error = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(error) == 1
    return error[0]


def test_a_record_comes_back_with_what_only_the_host_knows(tool, folders, tmp_path):
    answers = results(tmp_path / "app", folders["artifact"], "android")
    waiting = [status("finished", run="an earlier run"), status("running", "loading"), status("running")]
    tool.follow([*READY, COPIES, STARTS, ALIVE, says(*waiting, status("finished", "writing")), sends(answers)])
    benchmark(folders)
    (record,) = read(folders["output"] / "records.jsonl")
    assert (record.device, record.runtime, record.status) == ("android", "executorch", "ok")
    assert record.samples == {"forward": [10.0, 12.0, 11.0]}
    assert record.artifact.name == folders["artifact"].name
    assert record.counts.macs > 0


def test_the_app_is_told_the_profile_and_given_everything_that_belongs_to_the_artifact(tool, folders, tmp_path):
    answers = results(tmp_path / "app", folders["artifact"], "android")
    tool.follow([*READY, COPIES, STARTS, ALIVE, sends(answers)])
    benchmark(folders, "--serial", SERIAL, "--cool-down", "7")
    (start,) = [line for line in tool.asked if " am start " in line]
    name = folders["artifact"].name
    assert start.startswith(
        f"-s {SERIAL} shell am start -W -S -n org.minivlm.demo/.BenchmarkActivity --es artifact {name}"
    )
    for extra in ("--ei warmup_runs 1", "--ef warmup_seconds 0.5", "--ei runs 3", "--ef seconds 2.0", "--ei threads 2"):
        assert extra in start
    assert start.endswith("--ef cool_down 7.0 --ez verify true")
    pushed = [line.split()[-1] for line in tool.asked if " push " in line]
    stem = folders["artifact"].stem
    assert pushed == [f"/data/local/tmp/minivlm/{item}" for item in ("china.jpg", name, f"{stem}.json", stem)]


def test_outputs_that_are_wrong_make_a_failed_record_that_says_so(tool, folders, tmp_path, capsys):
    answers = results(tmp_path / "app", folders["artifact"], "android", change=lambda raw: bytes(len(raw)))
    tool.follow([*READY, COPIES, STARTS, ALIVE, sends(answers)])
    with pytest.raises(SystemExit) as caught:
        benchmark(folders)
    assert caught.value.code == 1
    (record,) = read(folders["output"] / "records.jsonl")
    assert "the phone computes something else" in record.error.reason
    assert "caption_logits SQNR" in record.error.reason


def test_outputs_that_were_damaged_on_their_way_are_not_taken_for_a_wrong_model(tool, folders, tmp_path, capsys):
    answers = results(tmp_path / "app", folders["artifact"], "android")
    (file,) = answers.rglob("forward-pooled.bin")
    file.write_bytes(file.read_bytes()[:-4])
    tool.follow([*READY, COPIES, STARTS, ALIVE, sends(answers)])
    assert "forward-pooled.bin arrived damaged" in refused(capsys, lambda: benchmark(folders))


def test_what_the_app_could_not_do_is_a_failed_record(tool, folders, capsys):
    tool.follow([*READY, COPIES, STARTS, ALIVE, says(status("failed", "loading", "the model does not load"))])
    with pytest.raises(SystemExit) as caught:
        benchmark(folders)
    assert caught.value.code == 1
    (record,) = read(folders["output"] / "records.jsonl")
    assert record.error.reason == "the model does not load"


LOST = {"err": f"adb: device '{SERIAL}' not found\n", "code": 1}


@pytest.mark.parametrize(
    ("rules", "part"),
    [
        ([("^devices$", [{"out": "List of devices attached\n\n"}])], "adb sees no phone: connect one"),
        ([("^devices$", [{"out": f"x\n{SERIAL}\tunauthorized\n"}])], "does not trust this computer yet"),
        ([("^devices$", [{"out": f"x\n{SERIAL}\toffline\n"}])], "is offline: connect it again"),
        ([("^devices$", [{"out": "x\nA\tdevice\nB\tdevice\n"}])], "2 phones: name one with --serial, of A, B"),
        ([("^devices$", [{"err": "cannot start daemon\n", "code": 1}])], "adb does not work (cannot start daemon)"),
        ([CONNECTED, ("pm path", [{"code": 1}])], "./gradlew installDebug"),
        ([CONNECTED, INSTALLED, ("dumpsys", [{"out": "mDreamingLockscreen=true"}])], "is locked"),
        (
            [*READY, ("run-as .* cp", [{"err": "cp: /x: No space left on device\n", "code": 1}]), COPIES],
            "storage is full",
        ),
        (
            [*READY, ("run-as .* cp", [{"err": "run-as: package not debuggable\n", "code": 1}]), COPIES],
            "is the app the debuggable build",
        ),
        ([*READY, ("push ", [LOST]), COPIES], "no longer connected"),
        ([*READY, COPIES, ("am start", [{"out": "Error: Activity class does not exist.\n"}])], "install it again"),
        (
            [*READY, COPIES, STARTS, ("pidof", [{"code": 1}]), says(status("running", "loading"))],
            "stopped while loading, most often by a phone short of memory",
        ),
        ([*READY, COPIES, STARTS, ALIVE, ("cat files", [{"out": status("running")}, LOST])], "use --resume"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_faults_are_one_line_with_a_way_out(tool, folders, capsys, rules, part):
    tool.follow(rules)
    assert part in refused(capsys, lambda: benchmark(folders))


def test_a_serial_that_is_not_there(tool, folders, capsys):
    tool.follow(READY)
    assert f"no phone OTHER: it sees {SERIAL}" in refused(capsys, lambda: benchmark(folders, "--serial", "OTHER"))


def test_an_app_that_shows_no_progress(tool, folders, capsys):
    tool.follow([*READY, COPIES, STARTS, ALIVE, says(status("running", "measuring"))])
    flags = ("--timeout", "1", "--cool-down", "0")
    assert "shows no progress after 1 s of measuring" in refused(capsys, lambda: benchmark(folders, *flags))


def test_without_adb(folders, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "adb is not on the PATH" in refused(capsys, lambda: benchmark(folders))


def test_what_was_measured_before_the_phone_went_away_is_kept_and_the_run_goes_on_from_there(
    tool, folders, tmp_path, capsys
):
    answers = results(tmp_path / "app", folders["artifact"], "android")
    tool.follow([*READY, COPIES, ("am start", [{}, LOST]), ALIVE, sends(answers)])
    assert "no longer connected" in refused(capsys, lambda: benchmark(folders, "--threads", "1,2"))
    assert len(read(folders["output"] / "records.jsonl")) == 1
    tool.follow([*READY, COPIES, STARTS, ALIVE, sends(answers)])
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
