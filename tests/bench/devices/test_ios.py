"""`bench/run.py --device ios` against a scripted xcrun devicectl."""

from pathlib import Path

import pytest

from bench import run
from bench.devices import watching
from bench.records.file import read
from tests.bench.devices.phones import MODEL, Tool, results, status
from tests.bench.devices.test_android import folders, refused  # noqa: F401  # a fixture

UDID = "00008120-001A2B3C4D5E001E"


def paired(*identifiers: str) -> dict:
    return {
        "devices": [
            {
                "identifier": udid,
                "deviceProperties": {"name": f"Phone {number}"},
                "connectionProperties": {"pairingState": "paired"},
            }
            for number, udid in enumerate(identifiers)
        ]
    }


LISTED = ("devicectl list devices", [{"json": paired(UDID)}])
INSTALLED = ("info apps", [{"json": {"apps": [{"bundleIdentifier": "org.minivlm.demo"}]}}])
UNLOCKED = ("info lockState", [{"json": {"passcodeRequired": False}}])
READY = [LISTED, INSTALLED, UNLOCKED]
COPIES = ("device copy to", [{}])
STARTS = ("device process launch", [{}])
ALIVE = ("info processes", [{"json": {"runningProcesses": [{"executable": "file:///x/MiniVLM.app/MiniVLM"}]}}])
LOST = {"err": "ERROR: The specified device was not found. (com.apple.dt.CoreDeviceError error 1000)\n", "code": 1}


def sends(folder: Path) -> tuple[str, list[dict]]:
    return (r"--source Documents/results/(\S+) ", [{"copy": str(folder)}])


@pytest.fixture
def tool(tmp_path, monkeypatch) -> Tool:
    monkeypatch.setattr(watching, "POLL_SECONDS", 0.0)
    monkeypatch.setattr(watching, "QUIET_SECONDS", 0.0)
    return Tool(tmp_path, "xcrun", monkeypatch)


def benchmark(folders, *flags: str) -> None:  # noqa: F811
    given = ["--device", "ios", "--models", MODEL, "--profile", "quick", "--threads", "2"]
    run.main([*given, "--artifacts", str(folders["artifacts"]), "--output", str(folders["output"]), *flags])


def test_a_record_comes_back(tool, folders, tmp_path):  # noqa: F811
    answers = results(tmp_path / "app", folders["artifact"], "ios")
    tool.follow([*READY, COPIES, STARTS, ALIVE, sends(answers)])
    benchmark(folders)
    (record,) = read(folders["output"] / "records.jsonl")
    assert (record.device, record.runtime, record.status) == ("ios", "executorch", "ok")
    assert record.artifact.name == folders["artifact"].name


def test_commands_are_those_of_the_contract(tool, folders, tmp_path):  # noqa: F811
    answers = results(tmp_path / "app", folders["artifact"], "ios")
    tool.follow([*READY, COPIES, STARTS, ALIVE, sends(answers)])
    benchmark(folders)
    name, stem = folders["artifact"].name, folders["artifact"].stem
    (launch,) = [line for line in tool.asked if "process launch" in line]
    assert launch.startswith(
        f"devicectl device process launch --device {UDID} --terminate-existing org.minivlm.demo -- --benchmark "
        f"--artifact {name} --photo china.jpg --run "
    )
    assert "--warmup-runs 1 --warmup-seconds 0.5 --runs 3 --seconds 2.0 --threads 2" in launch
    assert launch.endswith("--cool-down 180.0 --verify yes")
    copied = [line.split()[-1] for line in tool.asked if "copy to" in line]
    assert copied[:3] == ["Documents/inputs/china.jpg", f"Documents/models/{name}", f"Documents/models/{stem}.json"]
    assert f"Documents/inputs/{stem}/parity.json" in copied


@pytest.mark.parametrize(
    ("rules", "part"),
    [
        ([("list devices", [{"json": {"devices": []}}])], "devicectl sees no paired phone"),
        ([("list devices", [{"json": paired("A", "B")}])], "name one with --udid, of A (Phone 0), B (Phone 1)"),
        ([("list devices", [{"err": "xcrun: error: unable to find utility\n", "code": 72}])], "unable to find utility"),
        ([("list devices", [{}])], "devicectl gave no JSON"),
        ([LISTED, ("info apps", [{"json": {"apps": []}}])], "is not on"),
        ([LISTED, INSTALLED, ("lockState", [{"json": {"passcodeRequired": True}}])], "is locked"),
        ([*READY, ("copy to", [{"err": "ERROR: No space left on device\n", "code": 1}])], "storage is full"),
        ([*READY, ("copy to", [LOST])], "no longer connected"),
        ([*READY, COPIES, ("process launch", [{"err": "the device was locked\n", "code": 1}])], "is locked: unlock"),
        ([*READY, COPIES, ("process launch", [{"err": "ERROR: no profile\n", "code": 1}])], "does not start (ERROR"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_faults_are_one_line_with_a_way_out(tool, folders, capsys, rules, part):  # noqa: F811
    tool.follow(rules)
    assert part in refused(capsys, lambda: benchmark(folders))


def test_an_app_that_dies_is_a_failed_record(tool, folders):  # noqa: F811
    gone = ("info processes", [{"json": {"runningProcesses": []}}])
    tool.follow([*READY, COPIES, STARTS, gone, ("copy from", [{"code": 1, "err": "No such file"}])])
    with pytest.raises(SystemExit):
        benchmark(folders)
    (record,) = read(folders["output"] / "records.jsonl")
    assert record.error.reason.startswith("while starting, the app was stopped, most often by a phone short of memory")
    assert record.environment["serial"] == UDID


def test_without_xcode(folders, tmp_path, monkeypatch, capsys):  # noqa: F811
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "run this on a Mac" in refused(capsys, lambda: benchmark(folders))


def test_a_status_of_another_run_is_left_over(tool, folders, tmp_path):  # noqa: F811
    answers = results(tmp_path / "app", folders["artifact"], "ios")
    old = tmp_path / "old"
    old.mkdir()
    (old / "status.json").write_text(status("failed", message="long ago", run="another"))
    first = (r"--source Documents/results/(status.json) ", [{"copy": str(old)}, {"copy": str(answers)}])
    tool.follow([*READY, COPIES, STARTS, ALIVE, first, sends(answers)])
    benchmark(folders)
    assert read(folders["output"] / "records.jsonl")[0].ok
