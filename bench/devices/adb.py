"""The way to the Android app, by adb; docs/phones.md has the contract."""

import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.devices.transport import PACKAGE, complaint, require_tool, run_tool
from minivlm.errors import UserError

ACTIVITY = f"{PACKAGE}/.BenchmarkActivity"
STAGING = "/data/local/tmp/minivlm"
"""Where adb may write; from there the app's own user copies."""
GONE = ("no devices/emulators found", "device offline", "not found", "device unauthorized", "closed")
"""What adb says when the phone went away. "not found" is "device 'SERIAL' not found"."""
FULL = "No space left on device"
FLAGS: Mapping[type, str] = {bool: "--ez", int: "--ei", float: "--ef", str: "--es"}


class Adb:
    """Implements `bench.devices.transport.Transport`.

    Args:
        serial: As `adb devices` names it; None takes the only phone.
    """

    def __init__(self, serial: str | None) -> None:
        self._serial = serial

    def check(self) -> None:
        """See `Transport`."""
        require_tool("adb", "install Android's platform tools and put their folder there")
        self._serial = self._choose(self._devices())
        if not self._shell("pm", "path", PACKAGE).stdout.strip():
            raise UserError(f"the app {PACKAGE} is not on {self._serial}: cd android_demo && ./gradlew installDebug")
        if b"mDreamingLockscreen=true" in self._shell("dumpsys", "window").stdout:
            raise UserError(f"{self._serial} is locked, and a locked phone runs slower: unlock it and keep it awake")

    def push(self, source: Path, folder: str) -> None:
        """See `Transport`."""
        staged = f"{STAGING}/{source.name}"
        self._succeed(self._shell("mkdir", "-p", STAGING), f"cannot write to {STAGING}")
        self._succeed(self._adb("push", str(source), staged), f"cannot copy {source.name} to the phone")
        self._succeed(self._as_app("mkdir", "-p", f"files/{folder}"), f"cannot make the app's folder {folder}")
        self._succeed(self._as_app("cp", "-r", staged, f"files/{folder}/"), f"cannot copy {source.name} into the app")
        self._shell("rm", "-r", staged)

    def start(self, arguments: Mapping[str, Any]) -> None:
        """See `Transport`; `-S` stops what is left of an earlier start."""
        extras = [part for name, value in arguments.items() for part in (FLAGS[type(value)], name, _text(value))]
        done = self._shell("am", "start", "-W", "-S", "-n", ACTIVITY, *extras)
        if b"Error" in done.stdout + done.stderr:
            raise UserError(f"the app does not start ({complaint(done)}): install it again from android_demo")
        self._succeed(done, "the app does not start")

    def pull(self, path: str) -> bytes | None:
        """See `Transport`."""
        done = self._adb("exec-out", "run-as", PACKAGE, "cat", f"files/{path}")
        if b"No such file" in done.stdout[:200] + done.stderr:
            return None
        self._succeed(done, f"cannot read the app's {path}")
        return done.stdout

    def running(self) -> bool:
        """See `Transport`."""
        return bool(self._shell("pidof", PACKAGE).stdout.strip())

    def _devices(self) -> dict[str, str]:
        """Return the state of every phone, by serial."""
        done = run_tool(["adb", "devices"])
        if done.returncode != 0:
            raise UserError(f"adb does not work ({complaint(done)}): try adb kill-server")
        rows = [line.split("\t") for line in done.stdout.decode(errors="replace").splitlines() if "\t" in line]
        return {row[0]: row[1].strip() for row in rows}

    def _choose(self, states: Mapping[str, str]) -> str:
        if not states:
            raise UserError("adb sees no phone: connect one, with USB debugging on in its developer options")
        if self._serial is None and len(states) > 1:
            raise UserError(f"adb sees {len(states)} phones: name one with --serial, of {', '.join(states)}")
        serial = self._serial or next(iter(states))
        if serial not in states:
            raise UserError(f"adb sees no phone {serial}: it sees {', '.join(states)}")
        if states[serial] == "unauthorized":
            raise UserError(f"{serial} does not trust this computer yet: unlock it and allow USB debugging")
        if states[serial] != "device":
            raise UserError(f"{serial} is {states[serial]}: connect it again, or restart it")
        return serial

    def _adb(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        done = run_tool(["adb", "-s", str(self._serial), *arguments])
        said = done.stderr.decode(errors="replace")
        if done.returncode != 0 and said.startswith(("adb: ", "error: ")) and any(text in said for text in GONE):
            raise UserError(f"{self._serial} is no longer connected ({complaint(done)}): connect it and use --resume")
        return done

    def _shell(self, *words: str) -> subprocess.CompletedProcess[bytes]:
        return self._adb("shell", shlex.join(words))

    def _as_app(self, *words: str) -> subprocess.CompletedProcess[bytes]:
        return self._shell("run-as", PACKAGE, *words)

    def _succeed(self, done: subprocess.CompletedProcess[bytes], what: str) -> None:
        if done.returncode == 0:
            return
        said = complaint(done)
        if FULL in said:
            raise UserError(f"{what}: the phone's storage is full; free space on it")
        raise UserError(f"{what} ({said}): is the app the debuggable build that ./gradlew installDebug makes?")


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
