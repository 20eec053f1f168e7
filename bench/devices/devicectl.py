"""The way to the iPhone app, by Xcode's devicectl; docs/phones.md has the contract."""

import json
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.devices.transport import PACKAGE, complaint, require_tool, run_tool
from bench.records.record import Failure
from minivlm.errors import UserError

EXECUTABLE = "MiniVLM.app/MiniVLM"
GONE = ("not connected", "was not found", "disconnected", "connection was interrupted", "CoreDeviceError error 1011")
FULL = ("No space left", "ENOSPC", "disk is full", "out of space")
MISSING = ("No such file", "does not exist", "be opened because there is no such file")
LOCKED = ("was locked", "device is locked", "Locked")


class DeviceCtl:
    """Implements `bench.devices.transport.Transport`.

    Args:
        udid: Any identifier that devicectl takes; None takes the only phone.
    """

    def __init__(self, udid: str | None) -> None:
        self._udid = udid

    def check(self) -> None:
        """See `Transport`."""
        require_tool("xcrun", "run this on a Mac with Xcode 15 or newer")
        self._udid = self._choose(self._devices())
        apps = self._ask("device", "info", "apps", "--device", self._udid, "--bundle-id", PACKAGE).get("apps", [])
        if not apps:
            raise UserError(f"the app {PACKAGE} is not on {self._udid}: build and install it as docs/phones.md says")
        if self._ask("device", "info", "lockState", "--device", self._udid).get("passcodeRequired"):
            raise UserError(f"{self._udid} is locked, and a locked phone starts no app: unlock it and keep it awake")

    def push(self, source: Path, folder: str) -> None:
        """See `Transport`; files go one by one, which needs no folder on the other side."""
        files = sorted(path for path in source.rglob("*") if path.is_file()) if source.is_dir() else [source]
        for file in files:
            place = f"Documents/{folder}/{file.relative_to(source.parent).as_posix()}"
            done = self._control(
                "device", "copy", "to", *self._container, "--source", str(file), "--destination", place
            )
            self._succeed(done, f"cannot copy {file.name} to the phone")

    def start(self, arguments: Mapping[str, Any]) -> None:
        """See `Transport`; `--terminate-existing` stops what is left of an earlier start."""
        words = [part for name, value in arguments.items() for part in (f"--{name.replace('_', '-')}", _text(value))]
        launch = ("device", "process", "launch", "--device", str(self._udid), "--terminate-existing", PACKAGE)
        self._succeed(self._control(*launch, "--", "--benchmark", *words), "the app does not start")

    def pull(self, path: str) -> bytes | None:
        """See `Transport`."""
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder, "copy")
            place = ("--source", f"Documents/{path}", "--destination", str(copy))
            done = self._control("device", "copy", "from", *self._container, *place)
            if done.returncode != 0 and _says(done, MISSING):
                return None
            self._succeed(done, f"cannot read the app's {path}")
            return copy.read_bytes()

    def running(self) -> bool:
        """See `Transport`."""
        found = self._ask("device", "info", "processes", "--device", str(self._udid)).get("runningProcesses", [])
        return any(str(process.get("executable", "")).endswith(EXECUTABLE) for process in found)

    def describe(self) -> Mapping[str, Any]:
        """See `Transport`."""
        return {"serial": str(self._udid)}

    def hold(self) -> str:
        """See `Transport`; the app itself keeps its screen on."""
        return ""

    def release(self) -> None:
        """See `Transport`; there is nothing to put back."""

    def last_words(self) -> list[str]:
        """See `Transport`; devicectl shows no log of the past."""
        return []

    def death(self) -> Failure:
        """See `Transport`."""
        reason = "was stopped, most often by a phone short of memory: close other apps, or take a smaller model"
        return Failure(None, reason)

    @property
    def _container(self) -> tuple[str, ...]:
        device = ("--device", str(self._udid))
        return (*device, "--domain-type", "appDataContainer", "--domain-identifier", PACKAGE)

    def _devices(self) -> dict[str, str]:
        """Return the names of all paired phones, by identifier."""
        found = self._ask("list", "devices").get("devices", [])
        phones = [one for one in found if one.get("connectionProperties", {}).get("pairingState") == "paired"]
        return {str(one["identifier"]): str(one.get("deviceProperties", {}).get("name", "")) for one in phones}

    def _choose(self, names: Mapping[str, str]) -> str:
        if not names:
            raise UserError("devicectl sees no paired phone: connect one, trust this Mac, switch developer mode on")
        listed = ", ".join(f"{udid} ({name})" for udid, name in names.items())
        if self._udid is None and len(names) > 1:
            raise UserError(f"devicectl sees {len(names)} phones: name one with --udid, of {listed}")
        if self._udid is not None and self._udid not in (*names, *names.values()):
            raise UserError(f"devicectl sees no phone {self._udid}: it sees {listed}")
        return self._udid or next(iter(names))

    def _control(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        done = run_tool(["xcrun", "devicectl", *arguments])
        if done.returncode != 0 and _says(done, GONE):
            raise UserError(f"{self._udid} is no longer connected ({complaint(done)}): connect it and use --resume")
        if done.returncode != 0 and _says(done, LOCKED):
            raise UserError(f"{self._udid} is locked: unlock it, keep it awake, and use --resume")
        return done

    def _ask(self, *arguments: str) -> dict[str, Any]:
        """Return the result that a command writes as JSON."""
        with tempfile.TemporaryDirectory() as folder:
            answer = Path(folder, "answer.json")
            done = self._control(*arguments, "--json-output", str(answer))
            self._succeed(done, f"devicectl {' '.join(arguments[:3])} failed")
            try:
                result = json.loads(answer.read_text(encoding="utf-8"))["result"]
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise UserError(f"devicectl gave no JSON that can be read ({error}): update Xcode") from None
        return result if isinstance(result, dict) else {}

    def _succeed(self, done: subprocess.CompletedProcess[bytes], what: str) -> None:
        if done.returncode == 0:
            return
        if _says(done, FULL):
            raise UserError(f"{what}: the phone's storage is full; free space on it")
        raise UserError(f"{what} ({complaint(done)}): see docs/phones.md")


def _says(done: subprocess.CompletedProcess[bytes], texts: tuple[str, ...]) -> bool:
    said = (done.stdout + done.stderr).decode(errors="replace")
    return any(text in said for text in texts)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
