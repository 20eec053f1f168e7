"""What goes wrong between this machine and an iPhone: tried again where it may pass, else one line with a way out."""

import pytest

from bench.devices import coredevice, devicectl
from bench.records.file import read
from tests.bench.devices import apple
from tests.bench.devices.apple import BUNDLE, UDID, device, listed
from tests.bench.devices.ios_runs import ALIVE, INSTALLED, LISTED, WORKS, benchmark, sends
from tests.bench.devices.phones import refused, results


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
def test_faults_are_one_line_with_a_way_out(devicectl_tool, folders, capsys, rules, part):
    devicectl_tool.follow(rules)
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
def test_a_name_of_something_else_is_told(devicectl_tool, folders, capsys, udid, part):
    devicectl_tool.follow(WORKS)
    assert part in refused(capsys, lambda: benchmark(folders, "--udid", udid))


def test_a_missing_bundle_id_is_asked_for_with_the_one_that_is_on_the_phone(devicectl_tool, folders, capsys):
    devicectl_tool.follow(WORKS)
    said = refused(capsys, lambda: benchmark(folders, bundle=()))
    assert said.endswith(f"--bundle-id is missing: give the BUNDLE_ID of the app on {UDID} (Ada's iPhone): {BUNDLE}")


def test_without_the_app_a_missing_bundle_id_is_asked_for_all_the_same(devicectl_tool, folders, capsys):
    devicectl_tool.follow([("info apps", [{"json": {"apps": []}}]), *WORKS])
    assert "or build and install it first" in refused(capsys, lambda: benchmark(folders, bundle=()))


def test_two_phones_of_one_name_are_told_apart(devicectl_tool, folders, capsys):
    devicectl_tool.follow(lists(device(), device(identifier="P-2", udid="U-2")))
    assert "give the identifier instead" in refused(capsys, lambda: benchmark(folders, "--udid", "Ada's iPhone"))


def test_several_numbers_of_threads_are_refused(devicectl_tool, folders, capsys):
    devicectl_tool.follow(WORKS)
    assert "choose their threads themselves" in refused(capsys, lambda: benchmark(folders, "--threads", "1,2"))


@pytest.mark.parametrize("fault", [apple.BUSY, apple.INVALID], ids=["Busy", "EINVAL"])
def test_a_launch_that_fails_once_is_tried_again(devicectl_tool, folders, tmp_path, fault):
    answers = results(tmp_path / "app", folders["artifact"], "ios")
    launch = ("process launch", [{"error": fault, "err": apple.REQUEST}, {}])
    devicectl_tool.follow([launch, *WORKS, sends(answers)])
    benchmark(folders)
    assert read(folders["output"] / "records.jsonl")[0].ok


@pytest.mark.parametrize("fault", [apple.NO_NODE, apple.PAIRING_LOST], ids=["7000", "tunnel"])
def test_a_copy_that_fails_once_is_tried_again(devicectl_tool, folders, tmp_path, fault):
    answers = results(tmp_path / "app", folders["artifact"], "ios")
    devicectl_tool.follow([("copy to", [{"error": fault}, {}]), *WORKS, sends(answers)])
    benchmark(folders)
    assert read(folders["output"] / "records.jsonl")[0].ok


def test_a_record_whose_copy_fails_once_is_not_taken_for_missing(devicectl_tool, folders, tmp_path):
    answers = results(tmp_path / "app", folders["artifact"], "ios")
    flaky = (r"--source Documents/results/(records.jsonl) ", [{"error": apple.NO_NODE}, {"copy": str(answers)}])
    devicectl_tool.follow([*WORKS, flaky, sends(answers)])
    benchmark(folders)
    assert read(folders["output"] / "records.jsonl")[0].ok


def test_a_devicectl_that_hangs_is_stopped(devicectl_tool, monkeypatch):
    monkeypatch.setattr(coredevice, "GRACE_SECONDS", 0.0)
    devicectl_tool.follow([("info apps", [{"sleep": 600}])])
    answer = coredevice.ask(("device", "info", "apps"), (), seconds=0.5, tries=1)
    assert (answer.outcome, answer.complaint) == ("hung", "it did not answer in time")


def test_a_devicectl_that_hangs_again_and_again_is_one_line(devicectl_tool, folders, capsys):
    devicectl_tool.follow([("info apps", [{"outcome": "timeout", "code": 2}]), *WORKS])
    assert "cannot list the phone's apps (it did not answer in time)" in refused(capsys, lambda: benchmark(folders))
    assert len([line for line in devicectl_tool.asked if "info apps" in line]) == coredevice.TRIES


def test_a_hang_that_passes_is_no_fault(devicectl_tool, folders, tmp_path):
    """Devicectl's own time limit: an outcome without result and error."""
    answers = results(tmp_path / "app", folders["artifact"], "ios")
    slow = ("info processes", [{"outcome": "timeout", "code": 2}, *ALIVE[1]])
    devicectl_tool.follow([slow, *WORKS, sends(answers)])
    benchmark(folders)
    assert read(folders["output"] / "records.jsonl")[0].ok


@pytest.mark.parametrize("command", ["copy to", "process launch", "info processes", "copy from"])
@pytest.mark.parametrize("left", [[apple.WATCH], [device(tunnelState="unavailable")]], ids=["gone", "unavailable"])
def test_a_phone_that_went_away_is_told_by_asking_again(devicectl_tool, folders, capsys, command, left):
    """Whatever the error says: the words of it are many."""
    listing = ("list devices", [*LISTED[1], {"json": {"devices": left}}])
    devicectl_tool.follow([listing, (command, [{"error": apple.error("NSCocoaErrorDomain", 4097, "EOF")}]), *WORKS])
    assert "is no longer connected" in refused(capsys, lambda: benchmark(folders))


def test_a_phone_that_comes_back_is_asked_again(devicectl_tool, folders, tmp_path, monkeypatch):
    monkeypatch.setattr(devicectl, "RETURN_SECONDS", 600.0)
    answers = results(tmp_path / "app", folders["artifact"], "ios")
    listing = ("list devices", [*LISTED[1], {"json": {"devices": [apple.WATCH]}}, *LISTED[1]])
    lost = ("process launch", [{"error": apple.error("NSCocoaErrorDomain", 4097, "EOF")}, {}])
    devicectl_tool.follow([listing, lost, *WORKS[1:], sends(answers)])
    benchmark(folders)
    assert read(folders["output"] / "records.jsonl")[0].ok


def test_without_xcode(folders, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "run this on a Mac" in refused(capsys, lambda: benchmark(folders))
