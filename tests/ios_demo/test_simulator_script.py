"""ios_demo/simulator.sh with scripted tools of Apple's, in the shapes of what simctl prints."""

import subprocess
from pathlib import Path

import pytest

from tests.bench.devices.phones import Tool

SCRIPT = Path(__file__).parents[2] / "ios_demo" / "simulator.sh"
UDID = "1B0E2C44-7A55-4C3B-9D51-0B7A3C1E6F00"
TYPE = "com.apple.CoreSimulator.SimDeviceType"
TYPES = f"""== Device Types ==
iPhone 9 ({TYPE}.iPhone-9)
iPhone 16 Pro ({TYPE}.iPhone-16-Pro)
iPhone 16 ({TYPE}.iPhone-16)
iPad mini ({TYPE}.iPad-mini)
Apple Watch Ultra ({TYPE}.Apple-Watch-Ultra)
"""
DEVICES = """== Devices ==
-- iOS 18.2 --
    iPhone 16 (0A0E2C44-7A55-4C3B-9D51-0B7A3C1E6F00) (Shutdown)
"""
OURS = f"{DEVICES}    MiniVLM ({UDID}) (Booted) \n"


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tool:
    made = Tool(tmp_path, "xcrun", monkeypatch)
    for name in ("xcodegen", "xcodebuild"):
        program = tmp_path / "bin" / name
        program.write_text(f'#!/bin/sh\nexec {tmp_path}/bin/xcrun {name} "$@"\n')
        program.chmod(0o755)
    return made


def run(tmp_path: Path) -> subprocess.CompletedProcess[str]:
    command = ["sh", str(SCRIPT), str(tmp_path / "build")]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_it_builds_makes_a_simulator_of_the_newest_iphone_and_installs(tool: Tool, tmp_path: Path) -> None:
    lists = [("list devicetypes", [{"out": TYPES}]), ("list devices", [{"out": DEVICES}])]
    tool.follow([*lists, ("simctl create", [{"out": f"{UDID}\n"}]), ("", [{}])])
    done = run(tmp_path)
    assert done.returncode == 0, done.stderr
    generated, built, *_, created, booted, installed = tool.asked
    assert generated == "xcodegen generate"
    assert built.startswith("xcodebuild -project MiniVLM.xcodeproj -scheme MiniVLM -configuration Release ")
    assert created == f"simctl create MiniVLM {TYPE}.iPhone-16"
    assert booted == f"simctl bootstatus {UDID} -b"
    app = tmp_path / "build" / "Build" / "Products" / "Release-iphonesimulator" / "MiniVLM.app"
    assert installed == f"simctl install {UDID} {app}"


def test_a_simulator_from_an_earlier_time_is_used_again(tool: Tool, tmp_path: Path) -> None:
    tool.follow([("list devices", [{"out": OURS}]), ("", [{}])])
    assert run(tmp_path).returncode == 0
    assert f"simctl bootstatus {UDID} -b" in tool.asked
    assert not [line for line in tool.asked if "create" in line]


def test_a_build_that_fails_ends_it(tool: Tool, tmp_path: Path) -> None:
    tool.follow([("xcodebuild", [{"code": 65, "err": "** BUILD FAILED **\n"}]), ("", [{}])])
    assert run(tmp_path).returncode == 65
    assert not [line for line in tool.asked if "simctl" in line]


def test_without_a_mac_one_line_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    done = run(tmp_path)
    assert done.returncode == 2
    assert done.stderr == "error: xcodegen is not here: take a Mac with Xcode 16, and brew install xcodegen\n"
