"""What the tests of phones share: artifacts to measure, and tools and a service that answer by a script."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench import run
from bench.devices import adb, coredevice, devicectl, hub_jobs, watching
from tests.bench.devices import hub_client
from tests.bench.devices.hub_client import Script
from tests.bench.devices.phones import MODEL, Tool, laid_out, results


@pytest.fixture
def folders(tmp_path: Path, exported: Callable[..., Any]) -> dict[str, Path]:
    """An artifact that is there, and an empty folder for records."""
    return laid_out(exported(MODEL).artifact, tmp_path)


@pytest.fixture
def adb_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tool:
    """An adb that is a program of its own."""
    for module, name in ((watching, "POLL"), (watching, "QUIET"), (adb, "RETURN"), (adb, "LOOK")):
        monkeypatch.setattr(module, f"{name}_SECONDS", 0.0)
    return Tool(tmp_path, "adb", monkeypatch)


@pytest.fixture
def adb_tool(adb_program: Tool, monkeypatch: pytest.MonkeyPatch) -> Tool:
    """The same without starting it each time, and without the report at the end."""
    monkeypatch.setattr(adb, "run_tool", adb_program.answer)
    monkeypatch.setattr(run, "write_report", lambda records, folder: [])
    return adb_program


@pytest.fixture
def android_answers(folders: dict[str, Path], tmp_path: Path) -> Path:
    """What the app leaves on an Android phone."""
    return results(tmp_path / "app", folders["artifact"], "android")


@pytest.fixture
def devicectl_tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tool:
    """An xcrun that is a program of its own, without the report at the end."""
    monkeypatch.setattr(watching, "POLL_SECONDS", 0.0)
    monkeypatch.setattr(watching, "QUIET_SECONDS", 0.0)
    monkeypatch.setattr(coredevice, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(devicectl, "REPORT_PAUSE", 0.0)
    monkeypatch.setattr(devicectl, "RETURN_SECONDS", 0.0)
    monkeypatch.setattr(run, "write_report", lambda records, folder: [])  # plots take longer than all else here
    return Tool(tmp_path, "xcrun", monkeypatch)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Script:
    """The service of hosted phones, empty."""
    monkeypatch.setitem(sys.modules, "qai_hub", hub_client)
    monkeypatch.setitem(sys.modules, "qai_hub.client", hub_client)
    monkeypatch.setattr(hub_jobs, "POLL_SECONDS", 0.0)
    monkeypatch.setattr(run, "write_report", lambda records, folder: [])  # tested in test_phones and test_report
    monkeypatch.setattr(hub_client, "SCRIPT", Script())
    return hub_client.SCRIPT


@pytest.fixture
def hub_folders(tmp_path: Path) -> dict[str, Path]:
    """Empty folders for artifacts and records."""
    (tmp_path / "artifacts").mkdir()
    return {"artifacts": tmp_path / "artifacts", "output": tmp_path / "records"}


@pytest.fixture
def hub_copy(hub_folders: dict[str, Path], exported: Callable[..., Any]) -> Callable[..., Path]:
    """Puts an artifact with everything that belongs to it where the benchmark finds it."""

    def copy(model: str = MODEL, runtime: str = "onnx") -> Path:
        source = exported(model, runtime).artifact
        for path in source.parent.glob(f"{source.stem}*"):
            (shutil.copytree if path.is_dir() else shutil.copy)(path, hub_folders["artifacts"] / path.name)
        return hub_folders["artifacts"] / source.name

    return copy
