"""The way to the Android app, by adb; docs/phones-android.md has the contract."""

import re
import shlex
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.devices.exits import crash_of, death, read_exits
from bench.devices.transport import PACKAGE, TOOL_SECONDS, complaint, require_tool, run_tool
from bench.records.record import Failure
from minivlm.errors import UserError

ACTIVITY = f"{PACKAGE}/.BenchmarkActivity"
STAGING = "/data/local/tmp/minivlm"
"""Where adb may write; from there the app's own user copies."""
FLAGS: Mapping[type, str] = {bool: "--ez", int: "--ei", float: "--ef", str: "--es"}
COMMAND_SECONDS = 60.0
"""In which a command that copies nothing must end."""
ATTEMPTS = 3
"""Of a command that failed in adb itself while the phone is there."""
RETURN_SECONDS = 20.0
"""For which a phone may be gone: some drop their connection under load, and come back by themselves."""
LOOK_SECONDS = 2.0
OWN_WORDS = ("adb: ", "error: ")
"""How adb's own complaints begin, to tell them from those of the phone's programs."""
LOCKED = re.compile(rb"(mDreamingLockscreen|mShowingLockscreen|isKeyguardShowing)=true")
STAY_ON = "stay_on_while_plugged_in"
EARLIER = f"{STAGING}/{STAY_ON}"
"""Holds the user's setting while another one is in force: a run that was cut off leaves it to the next."""
LOG_LINES = 8


class Adb:
    """Implements `bench.devices.transport.Transport`.

    Args:
        serial: As `adb devices` names it; None takes the only phone.
    """

    def __init__(self, serial: str | None) -> None:
        self._serial = serial
        self._started = ""
        self._pid: int | None = None

    def check(self) -> None:
        """See `Transport`."""
        require_tool("adb", "install Android's platform tools and put their folder there")
        self._serial = self._choose(self._devices())
        found = self._shell("pm", "path", PACKAGE)
        if not found.stdout.strip() and found.stderr.strip():
            raise UserError(f"{self._serial} does not answer ({complaint(found)}): wait until it has started")
        if not found.stdout.strip():
            raise UserError(f"the app {PACKAGE} is not on {self._serial}: cd android_demo && ./gradlew installDebug")
        self._succeed(self._as_app("true"), "cannot reach the app's files")
        self._wake()
        if LOCKED.search(self._shell("dumpsys", "window").stdout):
            raise UserError(f"{self._serial} is locked, and a locked phone runs slower: unlock it and keep it awake")

    def describe(self) -> Mapping[str, Any]:
        """See `Transport`; a phone that is reached over the network has another name there than its serial number."""
        text = self._shell("getprop").stdout.decode(errors="replace")
        found = dict(re.findall(r"^\[(.+?)\]: \[(.*?)\]\r?$", text, re.MULTILINE))
        known = {
            "phone": " ".join(found.get(f"ro.product.{name}", "") for name in ("manufacturer", "model")).strip(),
            "system": f"Android {found.get('ro.build.version.release')} (API {found.get('ro.build.version.sdk')})",
            "serial": found.get("ro.serialno") or str(self._serial),
        }
        cores = self._shell("nproc", "--all").stdout.strip()
        return {**known, "cores": int(cores)} if cores.isdigit() else known

    def hold(self) -> str:
        """See `Transport`."""
        left = self._shell("cat", EARLIER)
        before = left if left.returncode == 0 else self._shell("settings", "get", "global", STAY_ON)
        value = before.stdout.decode(errors="replace").strip()
        if not (value.isdigit() or value == "null"):
            return f"the phone does not tell whether it stays awake ({complaint(before)}): keep its screen on yourself"
        note = f"mkdir -p {STAGING} && echo {value} > {EARLIER}"
        self._succeed(self._adb("shell", note), f"cannot write to {STAGING}")
        done = self._shell("svc", "power", "stayon", "true")
        if done.returncode != 0:
            return f"the phone does not let adb keep it awake ({complaint(done)}): keep its screen on yourself"
        return ""

    def release(self) -> None:
        """See `Transport`."""
        self._shell("am", "force-stop", PACKAGE)
        left = self._shell("cat", EARLIER)
        value = left.stdout.decode(errors="replace").strip()
        if left.returncode != 0:
            return
        put = ("put", "global", STAY_ON, value) if value.isdigit() else ("delete", "global", STAY_ON)
        done = self._shell("settings", *put)
        if done.returncode != 0:
            raise UserError(
                f"the phone still stays awake while it charges ({complaint(done)}): see its developer options"
            )
        self._shell("rm", EARLIER)

    def push(self, source: Path, folder: str) -> None:
        """See `Transport`."""
        staged = f"{STAGING}/{source.name}"
        self._succeed(self._shell("mkdir", "-p", STAGING), f"cannot write to {STAGING}")
        copied = self._adb("push", str(source), staged, seconds=TOOL_SECONDS)
        self._succeed(copied, f"cannot copy {source.name} to the phone")
        self._succeed(self._as_app("mkdir", "-p", f"files/{folder}"), f"cannot make the app's folder {folder}")
        copied = self._as_app("cp", "-r", staged, f"files/{folder}/", seconds=TOOL_SECONDS)
        self._succeed(copied, f"cannot copy {source.name} into the app")
        self._shell("rm", "-r", staged)

    def start(self, arguments: Mapping[str, Any]) -> None:
        """See `Transport`; what is left of an earlier start is stopped before the clock is read, and again by `-S`."""
        extras = [part for name, value in arguments.items() for part in (FLAGS[type(value)], name, _text(value))]
        self._shell("am", "force-stop", PACKAGE)
        self._wake()
        self._started = self._shell("date", "+%Y-%m-%d %H:%M:%S.000").stdout.decode(errors="replace").strip()
        self._pid = None
        done = self._shell("am", "start", "-W", "-S", "-n", ACTIVITY, *extras)
        said = (done.stdout + done.stderr).decode(errors="replace")
        if re.search(r"^(Error|.*SecurityException)", said, re.MULTILINE):
            raise UserError(f"the app does not start ({complaint(done)}): install it again from android_demo")
        self._succeed(done, "the app does not start")

    def pull(self, path: str) -> bytes | None:
        """See `Transport`."""
        done = self._as_app("cat", f"files/{path}")
        if done.returncode != 0 and done.stderr.startswith(b"cat: ") and b"No such file" in done.stderr:
            return None
        self._succeed(done, f"cannot read the app's {path}")
        return done.stdout

    def running(self) -> bool:
        """See `Transport`."""
        found = self._shell("pidof", PACKAGE).stdout.split()
        if found and found[0].isdigit():
            self._pid = int(found[0])
        return bool(found)

    def last_words(self) -> list[str]:
        """See `Transport`; the system's own messages from within the app are among them."""
        whose = ("-s", "MINIVLM:V", "ExecuTorch:V") if self._pid is None else (f"--pid={self._pid}",)
        return self._log("-v", "tag", *whose)[-LOG_LINES:]

    def death(self) -> Failure:
        """See `Transport`: Android 11 and later keep a list of exits, all keep a log of crashes."""
        exits = self._shell("dumpsys", "activity", "exit-info", PACKAGE).stdout.decode(errors="replace")
        crash = crash_of(self._log("-b", "crash", "-v", "threadtime"), PACKAGE)
        return death(read_exits(exits, PACKAGE), crash, self.last_words(), self._started, self._pid)

    def _log(self, *options: str) -> list[str]:
        """Return lines of the phone's log since the app was started."""
        since = ("-t", self._started.partition("-")[2]) if self._started else ("-t", "200")
        lines = self._shell("logcat", "-d", *since, *options).stdout.decode(errors="replace").splitlines()
        return [line.rstrip() for line in lines if line.strip() and not line.startswith("--------- ")]

    def _wake(self) -> None:
        """Switch the screen on; where a phone does not let adb do that, its lock or its record says so."""
        self._shell("input", "keyevent", "KEYCODE_WAKEUP")

    def _devices(self) -> dict[str, str]:
        """Return the state of every phone, by serial."""
        done = run_tool(["adb", "devices"], COMMAND_SECONDS)
        if done.returncode != 0:
            raise UserError(f"adb does not work ({complaint(done)}): try adb kill-server")
        rows = [line.split("\t") for line in done.stdout.decode(errors="replace").splitlines() if "\t" in line]
        return {row[0]: row[1].strip() for row in rows}

    def _choose(self, states: Mapping[str, str]) -> str:
        listed = ", ".join(serial if state == "device" else f"{serial} ({state})" for serial, state in states.items())
        if not states:
            raise UserError("adb sees no phone: connect one, with USB debugging on in its developer options")
        if self._serial is None and len(states) > 1:
            raise UserError(f"adb sees {len(states)} phones: name one with --serial, of {listed}")
        serial = self._serial or next(iter(states))
        if serial not in states:
            raise UserError(f"adb sees no phone {serial}: it sees {listed}")
        if states[serial] in ("unauthorized", "authorizing"):
            raise UserError(f"{serial} does not trust this computer yet: unlock it and allow USB debugging")
        if states[serial].startswith("no permissions"):
            raise UserError(
                f"this computer may not use {serial}: install its udev rules (Debian: "
                "android-sdk-platform-tools-common), join the group plugdev, and connect the phone again"
            )
        if states[serial] != "device":
            raise UserError(f"{serial} is {states[serial]}: connect it again, or restart it")
        return serial

    def _adb(self, *arguments: str, seconds: float | None = None) -> subprocess.CompletedProcess[bytes]:
        """Run a command for the phone; what fails in adb itself is tried again while the phone is there.

        Raises:
            UserError: The phone is gone.
        """
        for left in reversed(range(ATTEMPTS)):
            done = run_tool(["adb", "-s", str(self._serial), *arguments], seconds or COMMAND_SECONDS)
            if done.returncode == 0:
                break
            was_away = self._was_away(done)
            said = done.stderr.decode(errors="replace").splitlines()
            if left == 0 or not (was_away or any(line.startswith(OWN_WORDS) for line in said)):
                break
        return done

    def _was_away(self, failed: subprocess.CompletedProcess[bytes]) -> bool:
        """Ask whether the phone is still there, which no message of a failed command tells for sure, and wait for it.

        Raises:
            UserError: It does not come back.
        """
        limit, away = time.monotonic() + RETURN_SECONDS, False
        while (state := self._devices().get(str(self._serial))) != "device":
            if time.monotonic() >= limit:
                now = f"is {state}" if state else "is no longer connected"
                raise UserError(f"{self._serial} {now} ({complaint(failed)}): connect it again and use --resume")
            away = True
            time.sleep(LOOK_SECONDS)
        return away

    def _shell(self, *words: str, seconds: float | None = None) -> subprocess.CompletedProcess[bytes]:
        return self._adb("shell", shlex.join(words), seconds=seconds)

    def _as_app(self, *words: str, seconds: float | None = None) -> subprocess.CompletedProcess[bytes]:
        return self._shell("run-as", PACKAGE, *words, seconds=seconds)

    def _succeed(self, done: subprocess.CompletedProcess[bytes], what: str) -> None:
        if done.returncode == 0:
            return
        said = complaint(done)
        if "No space left on device" in said:
            raise UserError(f"{what}: the phone's storage is full; free space on it")
        raise UserError(f"{what} ({said}): is the app the debuggable build that ./gradlew installDebug makes?")


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
