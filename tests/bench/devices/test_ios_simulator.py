"""`bench/run.py --device ios-simulator` against a scripted xcrun simctl, whose app's folder lies on the disk."""

import json
import os
from pathlib import Path

import pytest

from bench import run
from bench.devices import watching
from bench.records.file import read
from tests.bench.devices import apple
from tests.bench.devices.phones import MODEL, Tool, refused, results, status

UDID = "1B0E2C44-7A55-4C3B-9D51-0B7A3C1E6F00"
BUNDLE = "org.minivlm.demo"


def booted(*simulators: tuple[str, str], state: str = "Booted") -> tuple[str, list[dict]]:
    """`simctl list devices booted --json`: by runtime, and those without a booted simulator are there, too."""
    found = [
        {
            "lastBootedAt": "2026-11-26T09:00:00Z",
            "dataPath": f"/Users/runner/Library/Developer/CoreSimulator/Devices/{udid}/data",
            "udid": udid,
            "isAvailable": True,
            "deviceTypeIdentifier": "com.apple.CoreSimulator.SimDeviceType.iPhone-16",
            "state": state,
            "name": name,
        }
        for udid, name in simulators
    ]
    runtimes = {
        "com.apple.CoreSimulator.SimRuntime.watchOS-11-2": [{"udid": "W", "name": "A Watch", "state": "Booted"}],
        "com.apple.CoreSimulator.SimRuntime.iOS-17-5": [],
        "com.apple.CoreSimulator.SimRuntime.iOS-18-2": found,
    }
    return ("simctl list devices booted --json", [{"out": json.dumps({"devices": runtimes})}])


LISTED = booted((UDID, "iPhone 16"))
NO_APP = {
    "err": "An error was encountered processing the command (domain=NSPOSIXErrorDomain, code=2):\n"
    "No such file or directory\n",
    "code": 2,
}
ALIVE = (
    "launchctl list",
    [{"out": f"PID\tStatus\tLabel\n-\t0\tcom.apple.x\n4711\t0\tUIKitApplication:{BUNDLE}[1a2b][rb-legacy]\n"}],
)
GONE = ("launchctl list", [{"out": f"PID\tStatus\tLabel\n-\t-9\tUIKitApplication:{BUNDLE}[1a2b][rb-legacy]\n"}])
ENDS = ("simctl terminate", [{}])


@pytest.fixture
def tool(tmp_path, monkeypatch) -> Tool:
    monkeypatch.setattr(watching, "POLL_SECONDS", 0.0)
    monkeypatch.setattr(watching, "QUIET_SECONDS", 0.0)
    monkeypatch.setattr(run, "write_report", lambda records, folder: [])  # plots take longer than all else here
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return Tool(tmp_path, "xcrun", monkeypatch)


def container(tmp_path: Path) -> tuple[str, list[dict]]:
    return ("get_app_container", [{"out": f"{tmp_path / 'data'}\n"}])


def launches(tmp_path: Path, writes: Path) -> tuple[str, list[dict]]:
    """The first launch makes the app's folders, the second does the work."""
    place = str(tmp_path / "data" / "Documents" / "results")
    return (
        "simctl launch",
        [{"out": f"{BUNDLE}: 4710\n"}, {"out": f"{BUNDLE}: 4711\n", "writes": [str(writes), place]}],
    )


def benchmark(folders, *flags: str) -> None:
    given = ["--device", "ios-simulator", "--models", MODEL, "--profile", "quick", "--threads", "2"]
    run.main([*given, "--artifacts", str(folders["artifacts"]), "--output", str(folders["output"]), *flags])


def test_a_record_comes_back_and_is_no_phones(tool, folders, tmp_path):
    answers = results(tmp_path / "app", folders["artifact"], "ios")
    tool.follow([LISTED, container(tmp_path), launches(tmp_path, answers), ALIVE, ENDS])
    benchmark(folders)
    (record,) = read(folders["output"] / "records.jsonl")
    assert (record.device, record.runtime, record.status) == ("ios-simulator", "executorch", "ok")
    assert record.environment["serial"] == UDID


def test_files_are_laid_where_the_app_looks_and_it_is_told_the_contract(tool, folders, tmp_path):
    answers = results(tmp_path / "app", folders["artifact"], "ios")
    tool.follow([LISTED, container(tmp_path), launches(tmp_path, answers), ALIVE, ENDS])
    benchmark(folders, "--bundle-id", "com.example.other")
    documents, name, stem = tmp_path / "data" / "Documents", folders["artifact"].name, folders["artifact"].stem
    assert (documents / "models" / name).read_bytes() == folders["artifact"].read_bytes()
    assert (documents / "models" / f"{stem}.json").is_file()
    assert (documents / "inputs" / "china.jpg").is_file()
    assert (documents / "inputs" / stem / "parity.json").is_file()
    first, launch = [line for line in tool.asked if "simctl launch" in line]
    start = f"simctl launch --terminate-running-process {UDID} com.example.other --benchmark"
    assert first == start
    assert launch.startswith(f"{start} --artifact {name} --photo china.jpg --run ")
    assert launch.endswith("--cool-down 180.0 --verify yes")
    assert f"simctl terminate {UDID} com.example.other" in tool.asked


@pytest.mark.parametrize(
    ("rules", "flags", "part"),
    [
        ([booted()], (), "no iPhone simulator is booted: xcrun simctl boot NAME"),
        ([booted((UDID, "iPhone 16"), state="Shutting Down")], (), "no iPhone simulator is booted"),
        ([booted(("A", "iPhone 16"), ("B", "iPhone 15"))], (), "2 simulators are booted: name one with --udid, of A ("),
        ([LISTED], ("--udid", "iPhone 3"), f"no single booted simulator is iPhone 3: there are {UDID} (iPhone 16)"),
        ([("simctl list", [{"out": "not json"}])], (), "simctl gave no JSON"),
        ([("simctl list", [{"err": "xcrun: error: unable to find utility\n", "code": 72}])], (), "unable to find"),
        ([LISTED, ("get_app_container", [NO_APP])], (), "is not in the simulator"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_faults_are_one_line_with_a_way_out(tool, folders, capsys, rules, flags, part):
    tool.follow(rules)
    assert part in refused(capsys, lambda: benchmark(folders, *flags))


def test_an_app_that_does_not_start(tool, folders, capsys, tmp_path):
    fails = ("simctl launch", [{"err": "The request to open it failed.\n", "code": 4}])
    tool.follow([LISTED, container(tmp_path), fails])
    assert "does not start (The request to open it failed.)" in refused(capsys, lambda: benchmark(folders))


def test_a_crash_is_read_from_this_macs_reports(tool, folders, tmp_path):
    reports = tmp_path / "home" / "Library" / "Logs" / "DiagnosticReports"
    reports.mkdir(parents=True)
    (reports / "MiniVLM-2026-01-01-000000.ips").write_text(apple.crash(**apple.QUIT))
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "status.json").write_text(status("running", "loading"))
    (tmp_path / "app" / "log.txt").write_text("MINIVLM loading\n")
    (tmp_path / "crash").mkdir()
    (tmp_path / "crash" / "MiniVLM-2026-11-26-101112.ips").write_text(apple.crash())
    crashes = (GONE[0], [GONE[1][0] | {"writes": [str(tmp_path / "crash"), str(reports)]}])
    tool.follow([LISTED, container(tmp_path), launches(tmp_path, tmp_path / "app"), crashes, ENDS])
    with pytest.raises(SystemExit):
        benchmark(folders)
    (record,) = read(folders["output"] / "records.jsonl")
    assert record.error.reason == "while loading, the app crashed by SIGILL (EXC_BAD_INSTRUCTION)"
    assert record.error.exit == -4
    assert record.error.stderr == ["MINIVLM loading"]


def available_core() -> int:
    return min(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0


@pytest.mark.parametrize(
    ("flags", "part"),
    [
        (["--serial", "X"], "--serial goes with --device android, not with ios-simulator"),
        (["--threads", "1,2"], "choose their threads themselves"),
        (["--affinity", str(available_core())], "leave it out with --device ios-simulator"),
        (["--bundle-id", "minivlm"], "is no bundle id, such as com.example.minivlm"),
    ],
)
def test_flags_that_it_does_not_take(tool, folders, capsys, flags, part):
    tool.follow([LISTED])
    assert part in refused(capsys, lambda: benchmark(folders, *flags))


def test_without_xcode(folders, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "run this on a Mac" in refused(capsys, lambda: benchmark(folders))
