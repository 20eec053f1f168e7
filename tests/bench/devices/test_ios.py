"""`bench/run.py --device ios` against a scripted xcrun devicectl: the whole way, and what goes wrong on it."""

from pathlib import Path

import pytest

from bench import run
from bench.devices import coredevice, devicectl, watching
from bench.devices.apple_devices import read_devices
from bench.devices.launching import launch_words
from bench.devices.phone import IOS_RUNTIMES, Phone
from bench.records.file import read
from bench.session.session import Session
from minivlm.console import Steps
from tests.bench.devices import apple
from tests.bench.devices.apple import BUNDLE, IDENTIFIER, UDID, device, listed
from tests.bench.devices.phones import MODEL, Tool, results, status
from tests.bench.devices.test_android import folders, refused  # noqa: F401  # a fixture
from tests.bench.plans import plan

LISTED = listed(apple.WATCH, apple.OLD_PHONE, apple.SIMULATED, device())
INSTALLED = ("info apps", [{"json": {"apps": [{"bundleIdentifier": BUNDLE, "name": "MiniVLM"}]}}])
UNLOCKED = ("info lockState", [{"json": {"passcodeRequired": False, "unlockedSinceBoot": True}}])
READY = [LISTED, INSTALLED, UNLOCKED]
COPIES = ("device copy to", [{}])
STARTS = ("device process launch", [{}])
EXECUTABLE = "file:///private/var/containers/Bundle/Application/AAAA/MiniVLM.app/MiniVLM"
ALIVE = ("info processes", [{"json": {"runningProcesses": [{"processIdentifier": 500, "executable": EXECUTABLE}]}}])
GONE = ("info processes", [{"json": {"runningProcesses": [{"processIdentifier": 0}]}}])
NO_REPORTS = ("info files .*systemCrashLogs", [{"json": {"files": []}}])
WORKS = [*READY, COPIES, STARTS, ALIVE, NO_REPORTS]


def sends(folder: Path) -> tuple[str, list[dict]]:
    return (r"--source Documents/results/(\S+) ", [{"copy": str(folder)}])


class Anywhere:
    """A transport to nowhere."""

    def check(self) -> None: ...

    def describe(self) -> dict:
        return {}


@pytest.fixture
def tool(tmp_path, monkeypatch) -> Tool:
    monkeypatch.setattr(watching, "POLL_SECONDS", 0.0)
    monkeypatch.setattr(watching, "QUIET_SECONDS", 0.0)
    monkeypatch.setattr(coredevice, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(devicectl, "REPORT_PAUSE", 0.0)
    monkeypatch.setattr(devicectl, "RETURN_SECONDS", 0.0)
    monkeypatch.setattr(run, "write_report", lambda records, folder: [])  # plots take longer than all else here
    return Tool(tmp_path, "xcrun", monkeypatch)


def benchmark(folders, *flags: str, bundle: tuple[str, ...] = ("--bundle-id", BUNDLE)) -> None:  # noqa: F811
    given = ["--device", "ios", *bundle, "--models", MODEL, "--profile", "quick", "--threads", "2"]
    run.main([*given, "--artifacts", str(folders["artifacts"]), "--output", str(folders["output"]), *flags])


def failed(folders, *flags: str) -> str:  # noqa: F811
    """Run a benchmark whose only measurement fails; returns the record's reason."""
    with pytest.raises(SystemExit) as caught:
        benchmark(folders, *flags)
    assert caught.value.code == 1
    (record,) = read(folders["output"] / "records.jsonl")
    return record.error.reason


def test_a_record_comes_back(tool, folders, tmp_path):  # noqa: F811
    answers = results(tmp_path / "app", folders["artifact"], "ios")
    tool.follow([*WORKS, sends(answers)])
    benchmark(folders)
    (record,) = read(folders["output"] / "records.jsonl")
    assert (record.device, record.runtime, record.status) == ("ios", "executorch", "ok")
    assert record.artifact.name == folders["artifact"].name


def test_units_are_a_case_each_and_told_to_the_app_in_its_own_words(folders):  # noqa: F811
    made = plan("--device", "ios", "--models", MODEL, "--compute-units", "all,cpu-and-gpu,cpu-and-ne,cpu")
    phone = Phone(made, Steps(), Anywhere(), "ios", IOS_RUNTIMES)
    cases = phone.cases()
    assert [(case.runtime, case.accelerator) for case in cases] == [
        *(("coreml", "all"), ("coreml", "cpu-and-gpu"), ("coreml", "cpu-and-ne"), ("coreml", "cpu"))
    ]
    # What BenchmarkRequest of the app takes (ios_demo/MiniVLMCore): all, cpu-and-gpu, cpu-and-ne, cpu.
    told = [launch_words(phone._arguments(case, folders["artifact"], "a run", 0, verify=False)) for case in cases]
    assert [words[words.index("--compute-units") + 1] for words in told] == ["all", "cpu-and-gpu", "cpu-and-ne", "cpu"]
    (plain,) = Phone(plan("--models", MODEL), Steps(), Anywhere(), "ios", IOS_RUNTIMES).cases()
    assert (plain.runtime, plain.accelerator) == ("executorch", "")
    assert "compute_units" not in phone._arguments(plain, folders["artifact"], "a run", 0, verify=False)


def test_commands_are_those_of_the_contract(tool, folders, tmp_path):  # noqa: F811
    answers = results(tmp_path / "app", folders["artifact"], "ios")
    tool.follow([*WORKS, sends(answers)])
    benchmark(folders)
    name = folders["artifact"].name
    first, launch = [line for line in tool.asked if "process launch" in line]
    start = f"--device {IDENTIFIER} --terminate-existing {BUNDLE} -- --benchmark"
    assert first.endswith(start), "the first start makes the app's folders"
    assert f"{start} --artifact {name} --photo china.jpg --run " in launch
    assert "--warmup-runs 1 --warmup-seconds 0.5 --runs 3 --seconds 2.0 --threads 2" in launch
    assert launch.endswith("--cool-down 180.0 --verify yes")
    for line in tool.asked:
        assert "--timeout " in line.partition(" -- ")[0]
        assert "--json-output " in line.partition(" -- ")[0]


def test_a_folder_is_copied_as_one_source(tool, folders, tmp_path):  # noqa: F811
    """Whether devicectl makes the folders above a single file is not known."""
    answers = results(tmp_path / "app", folders["artifact"], "ios")
    tool.follow([*WORKS, sends(answers)])
    benchmark(folders)
    name, stem = folders["artifact"].name, folders["artifact"].stem
    copied = [line.split()[-1] for line in tool.asked if "copy to" in line]
    assert copied == [
        "Documents/inputs/china.jpg",
        f"Documents/models/{name}",
        f"Documents/models/{stem}.json",
        f"Documents/inputs/{stem}",
    ]


@pytest.mark.parametrize("udid", [UDID, UDID.lower(), IDENTIFIER, "Ada's iPhone"])
def test_a_phone_is_named_by_what_its_owner_knows_of_it(tool, folders, tmp_path, udid):  # noqa: F811
    answers = results(tmp_path / "app", folders["artifact"], "ios")
    tool.follow([listed(device(), apple.SECOND), *WORKS[1:], sends(answers)])
    benchmark(folders, "--udid", udid)
    assert all(f"--device {IDENTIFIER}" in line for line in tool.asked if " list " not in line)


def test_the_bundle_id_is_kept_in_the_plan(tool, folders, tmp_path):  # noqa: F811
    answers = results(tmp_path / "app", folders["artifact"], "ios")
    tool.follow([*WORKS, sends(answers)])
    benchmark(folders)
    assert Session.last(folders["output"]).plan.bundle_id == BUNDLE
    tool.follow([*WORKS, sends(answers)])
    run.main(["--resume", "--output", str(folders["output"])])


def lists(*devices: dict) -> list[tuple[str, list[dict]]]:
    return [listed(*devices), *WORKS[1:]]


def refuses(pattern: str, *answers: dict) -> list[tuple[str, list[dict]]]:
    """Rules by which one command is answered so, and all else works."""
    return [(pattern, list(answers)), *WORKS, ("copy from", [{"error": apple.NO_NODE}])]


@pytest.mark.parametrize(
    ("rules", "part"),
    [
        (lists(), "devicectl sees no iPhone: connect one by cable"),
        (lists(apple.WATCH, apple.SIMULATED), "devicectl sees no iPhone: connect one by cable"),
        (lists(apple.OLD_PHONE), "(00008030-0000000000000000 (Old iPhone) was here once)"),
        (lists(device(), apple.SECOND), f"2 iPhones: name one with --udid, of {UDID} (Ada's iPhone), 00008130"),
        (lists(device(pairingState="unpaired", tunnelState="unavailable")), "does not trust this Mac yet"),
        (lists(device(developerModeStatus="disabled")), "has its developer mode off"),
        (
            [("list devices", [{"err": "xcrun: error: unable to find utility\n", "code": 72, "mute": True}])],
            "devicectl does not answer (xcrun: error: unable to find utility): install Xcode",
        ),
        ([("list devices", [{"mute": True}])], "devicectl does not answer (it said nothing)"),
        ([LISTED, ("info apps", [{"json": {"apps": []}}])], f"the app {BUNDLE} is not on {UDID}"),
        ([LISTED, INSTALLED, ("lockState", [{"json": {"passcodeRequired": True}}])], "is locked"),
        (refuses("copy to", {"error": apple.FULL}), "storage is full"),
        (refuses("copy to", {"error": apple.NO_NODE}), "cannot copy china.jpg to the phone (Failed to retrieve"),
        (refuses("process launch", {"error": apple.LOCKED, "err": apple.REQUEST}), "is locked: unlock it"),
        (refuses("process launch", {}, {"error": apple.LOCKED}), "is locked: unlock it, keep it awake, and use --res"),
        (refuses("process launch", {"error": apple.UNTRUSTED}), "allow it under Settings, General, VPN & Device"),
        (refuses("process launch", {"error": apple.BUSY}), "does not start (Application cannot be opened for reason:"),
        (refuses("info apps", {"error": apple.NO_DISK_IMAGE}), "open Xcode with it connected once"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_faults_are_one_line_with_a_way_out(tool, folders, capsys, rules, part):  # noqa: F811
    tool.follow(rules)
    assert part in refused(capsys, lambda: benchmark(folders))


@pytest.mark.parametrize(
    ("udid", "part"),
    [
        ("OTHER", f"devicectl sees no iPhone OTHER: it sees {UDID} (Ada's iPhone)"),
        ("Ada's Watch", "is no iPhone (it runs watchOS)"),
        ("Old iPhone", "cannot be reached: connect it by cable"),
        ("iPhone 18 Pro", "is a simulator: use --device ios-simulator"),
    ],
)
def test_a_name_of_something_else_is_told(tool, folders, capsys, udid, part):  # noqa: F811
    tool.follow(WORKS)
    assert part in refused(capsys, lambda: benchmark(folders, "--udid", udid))


def test_a_missing_bundle_id_is_asked_for_with_the_one_that_is_on_the_phone(tool, folders, capsys):  # noqa: F811
    tool.follow(WORKS)
    said = refused(capsys, lambda: benchmark(folders, bundle=()))
    assert said.endswith(f"--bundle-id is missing: give the BUNDLE_ID of the app on {UDID} (Ada's iPhone): {BUNDLE}")


def test_without_the_app_a_missing_bundle_id_is_asked_for_all_the_same(tool, folders, capsys):  # noqa: F811
    tool.follow([("info apps", [{"json": {"apps": []}}]), *WORKS])
    assert "or build and install it first" in refused(capsys, lambda: benchmark(folders, bundle=()))


def test_two_phones_of_one_name_are_told_apart(tool, folders, capsys):  # noqa: F811
    tool.follow(lists(device(), device(identifier="P-2", udid="U-2")))
    assert "give the identifier instead" in refused(capsys, lambda: benchmark(folders, "--udid", "Ada's iPhone"))


def test_several_numbers_of_threads_are_refused(tool, folders, capsys):  # noqa: F811
    tool.follow(WORKS)
    assert "choose their threads themselves" in refused(capsys, lambda: benchmark(folders, "--threads", "1,2"))


def test_a_fresh_install_has_no_status_yet(tool, folders, tmp_path):  # noqa: F811
    answers = results(tmp_path / "app", folders["artifact"], "ios")
    missing = {"error": apple.NO_NODE, "err": f"ERROR: {apple.NO_NODE['userInfo']}\n"}
    first = (r"--source Documents/results/(status.json) ", [*[missing] * 5, {"copy": str(answers)}])
    tool.follow([*WORKS, first, sends(answers)])
    benchmark(folders)
    assert read(folders["output"] / "records.jsonl")[0].ok


@pytest.mark.parametrize("fault", [apple.BUSY, apple.INVALID], ids=["Busy", "EINVAL"])
def test_a_launch_that_fails_once_is_tried_again(tool, folders, tmp_path, fault):  # noqa: F811
    answers = results(tmp_path / "app", folders["artifact"], "ios")
    launch = ("process launch", [{"error": fault, "err": apple.REQUEST}, {}])
    tool.follow([launch, *WORKS, sends(answers)])
    benchmark(folders)
    assert read(folders["output"] / "records.jsonl")[0].ok


@pytest.mark.parametrize("fault", [apple.NO_NODE, apple.PAIRING_LOST], ids=["7000", "tunnel"])
def test_a_copy_that_fails_once_is_tried_again(tool, folders, tmp_path, fault):  # noqa: F811
    answers = results(tmp_path / "app", folders["artifact"], "ios")
    tool.follow([("copy to", [{"error": fault}, {}]), *WORKS, sends(answers)])
    benchmark(folders)
    assert read(folders["output"] / "records.jsonl")[0].ok


def test_a_record_whose_copy_fails_once_is_not_taken_for_missing(tool, folders, tmp_path):  # noqa: F811
    answers = results(tmp_path / "app", folders["artifact"], "ios")
    flaky = (r"--source Documents/results/(records.jsonl) ", [{"error": apple.NO_NODE}, {"copy": str(answers)}])
    tool.follow([*WORKS, flaky, sends(answers)])
    benchmark(folders)
    assert read(folders["output"] / "records.jsonl")[0].ok


def test_a_devicectl_that_hangs_is_stopped(tool, monkeypatch):
    monkeypatch.setattr(coredevice, "GRACE_SECONDS", 0.0)
    tool.follow([("info apps", [{"sleep": 600}])])
    answer = coredevice.ask(("device", "info", "apps"), (), seconds=0.5, tries=1)
    assert (answer.outcome, answer.complaint) == ("hung", "it did not answer in time")


def test_a_devicectl_that_hangs_again_and_again_is_one_line(tool, folders, capsys):  # noqa: F811
    tool.follow([("info apps", [{"outcome": "timeout", "code": 2}]), *WORKS])
    assert "cannot list the phone's apps (it did not answer in time)" in refused(capsys, lambda: benchmark(folders))
    assert len([line for line in tool.asked if "info apps" in line]) == coredevice.TRIES


def test_a_hang_that_passes_is_no_fault(tool, folders, tmp_path):  # noqa: F811
    """Devicectl's own time limit: an outcome without result and error."""
    answers = results(tmp_path / "app", folders["artifact"], "ios")
    slow = ("info processes", [{"outcome": "timeout", "code": 2}, *ALIVE[1]])
    tool.follow([slow, *WORKS, sends(answers)])
    benchmark(folders)
    assert read(folders["output"] / "records.jsonl")[0].ok


@pytest.mark.parametrize("command", ["copy to", "process launch", "info processes", "copy from"])
@pytest.mark.parametrize("left", [[apple.WATCH], [device(tunnelState="unavailable")]], ids=["gone", "unavailable"])
def test_a_phone_that_went_away_is_told_by_asking_again(tool, folders, capsys, command, left):  # noqa: F811
    """Whatever the error says: the words of it are many."""
    listing = ("list devices", [*LISTED[1], {"json": {"devices": left}}])
    tool.follow([listing, (command, [{"error": apple.error("NSCocoaErrorDomain", 4097, "EOF")}]), *WORKS])
    assert "is no longer connected" in refused(capsys, lambda: benchmark(folders))


def test_a_phone_that_comes_back_is_asked_again(tool, folders, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.setattr(devicectl, "RETURN_SECONDS", 600.0)
    answers = results(tmp_path / "app", folders["artifact"], "ios")
    listing = ("list devices", [*LISTED[1], {"json": {"devices": [apple.WATCH]}}, *LISTED[1]])
    lost = ("process launch", [{"error": apple.error("NSCocoaErrorDomain", 4097, "EOF")}, {}])
    tool.follow([listing, lost, *WORKS[1:], sends(answers)])
    benchmark(folders)
    assert read(folders["output"] / "records.jsonl")[0].ok


def test_without_xcode(folders, tmp_path, monkeypatch, capsys):  # noqa: F811
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "run this on a Mac" in refused(capsys, lambda: benchmark(folders))


def test_a_status_of_another_run_is_left_over(tool, folders, tmp_path):  # noqa: F811
    answers = results(tmp_path / "app", folders["artifact"], "ios")
    old = tmp_path / "old"
    old.mkdir()
    (old / "status.json").write_text(status("failed", message="long ago", run="another"))
    first = (r"--source Documents/results/(status.json) ", [{"copy": str(old)}, {"copy": str(answers)}])
    tool.follow([*WORKS, first, sends(answers)])
    benchmark(folders)
    assert read(folders["output"] / "records.jsonl")[0].ok


def test_a_runtime_that_does_not_tell_its_threads_makes_a_record_without(tool, folders, tmp_path, capsys):  # noqa: F811
    answers = results(tmp_path / "app", folders["artifact"], "ios")
    path = answers / "records.jsonl"
    path.write_text(path.read_text().replace('"threads":4', '"threads":null'))
    tool.follow([*WORKS, sends(answers)])
    benchmark(folders)
    (record,) = read(folders["output"] / "records.jsonl")
    assert record.ok
    assert record.threads is None
    assert "threads as the runtime chose" in " ".join(capsys.readouterr().out.split())


def test_sustained_measures_for_so_long_and_brings_latency_over_time(tool, folders, tmp_path):  # noqa: F811
    answers = results(tmp_path / "app", folders["artifact"], "ios")
    path = answers / "records.jsonl"
    path.write_text(path.read_text().replace('"sustained":null', '"sustained":[[1.0,11.0],[600.0,14.0]]'))
    tool.follow([*WORKS, sends(answers)])
    benchmark(folders, "--sustained", "10")
    (record,) = read(folders["output"] / "records.jsonl")
    assert record.sustained == [(1.0, 11.0), (600.0, 14.0)]
    launch = [line for line in tool.asked if "process launch" in line][-1]
    assert "--seconds 600.0 " in launch
    assert "--sustained yes" in launch


class TestDeath:
    """The app is gone and its status says that it runs."""

    def dies(self, tmp_path: Path, report: str | None, name: str = "MiniVLM-2026-11-26-101112.ips") -> list:
        app = tmp_path / "app"
        app.mkdir()
        (app / "status.json").write_text(status("running", "loading"))
        (app / "log.txt").write_text("MINIVLM starting\nE: arena of 900 MB\n")
        (app / name).write_text(report or "")
        old = {"relativePath": "MiniVLM-2026-01-01-000000.ips", "name": "MiniVLM-2026-01-01-000000.ips"}
        new = [] if report is None else [{"relativePath": name, "name": name}]
        files = ("info files .*systemCrashLogs", [{"json": {"files": [old]}}, {"json": {"files": [old, *new]}}])
        reports = (r"systemCrashLogs --source (\S+) ", [{"copy": str(app)}])
        return [*READY, COPIES, STARTS, GONE, files, reports, sends(app)]

    @pytest.mark.parametrize(
        ("report", "part"),
        [
            (apple.crash(), "while loading, the app crashed by SIGILL (EXC_BAD_INSTRUCTION)"),
            (
                apple.crash(asi={"libswiftCore.dylib": ["MiniVLM/Layouts.swift:3: Fatal error: Index out of range"]}),
                "EXC_BAD_INSTRUCTION, MiniVLM/Layouts.swift:3: Fatal error: Index out of range)",
            ),
            (
                apple.crash(**apple.WATCHDOG),
                "did not answer, and the system stopped it (watchdog: scene-update watchdog transgression",
            ),
            (apple.crash(**apple.QUIT), "was stopped by the user (swiped away): leave the phone alone"),
            (None, "while loading, the app is gone, and the phone keeps no report on it"),
            ("{not json", "keeps no report on it"),
            (apple.crash(procName="Other").replace('"app_name": "MiniVLM"', '"app_name": "Other"'), "keeps no report"),
        ],
        ids=["signal", "Swift", "watchdog", "user", "no report", "damaged", "another app's"],
    )
    def test_the_record_says_why(self, tool, folders, tmp_path, report, part):  # noqa: F811
        tool.follow(self.dies(tmp_path, report))
        assert part in failed(folders)

    def test_memory_is_told_from_the_report_on_all_processes(self, tool, folders, tmp_path):  # noqa: F811
        """131072 pages of 16 KiB are 2048 MiB."""
        report = apple.jetsam({"name": "Maps", "rpages": 9, "reason": "vm-pageshortage"}, apple.STOPPED)
        tool.follow(self.dies(tmp_path, report, "JetsamEvent-2026-11-26-101112.ips"))
        assert failed(folders).startswith(
            "while loading, the app was killed, as the phone was short of memory (per-process-limit, 2048 MiB): close"
        )

    def test_memory_that_others_were_stopped_for_is_not_the_apps(self, tool, folders, tmp_path):  # noqa: F811
        report = apple.jetsam({"name": "Maps", "rpages": 9, "reason": "vm-pageshortage"}, {"name": "MiniVLM"})
        tool.follow(self.dies(tmp_path, report, "JetsamEvent-2026-11-26-101112.ips"))
        assert "keeps no report on it" in failed(folders)

    def test_the_apps_last_lines_are_kept(self, tool, folders, tmp_path):  # noqa: F811
        tool.follow(self.dies(tmp_path, apple.crash()))
        failed(folders)
        (record,) = read(folders["output"] / "records.jsonl")
        assert record.error.stderr == ["MINIVLM starting", "E: arena of 900 MB"]

    def test_the_app_may_say_itself_that_it_was_swiped_away(self, tool, folders, tmp_path):  # noqa: F811
        rules = self.dies(tmp_path, None)
        (tmp_path / "app" / "log.txt").write_text("MINIVLM closed\n")
        tool.follow(rules)
        assert "was stopped by the user (swiped away)" in failed(folders)

    def test_reports_from_before_the_start_are_not_read(self, tool, folders, tmp_path):  # noqa: F811
        tool.follow(self.dies(tmp_path, None))
        failed(folders)
        assert not [line for line in tool.asked if "systemCrashLogs --source" in line]


def test_the_list_of_xcode_27_reads_the_same_with_and_without_the_older_form() -> None:
    new, old = apple.device_of_xcode_27(), device(name="Stale")
    assert read_devices([new]) == read_devices([device()])
    assert read_devices([old | new]) == read_devices([device()])


def test_entries_without_an_identifier_are_passed_over() -> None:
    assert read_devices([{}, "nonsense", {"identifier": ""}]) == []
