"""The way to the iOS app in Apple's simulator, by Xcode's simctl: a Mac without a phone runs the same contract."""

import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.devices.crash_reports import APP, concerns_app, death_of
from bench.devices.launching import LOG, last_lines, launch_words
from bench.devices.transport import PACKAGE, complaint, require_tool, run_tool
from bench.records.record import Failure
from minivlm.errors import UserError

RUNTIME = "com.apple.CoreSimulator.SimRuntime.iOS-"
BUILD = "build ios_demo for the simulator and install it with xcrun simctl install, as docs/phones-ios.md says"


class SimCtl:
    """Implements `bench.devices.transport.Transport`. The app's folder lies on this Mac's disk.

    Args:
        wanted: UDID or name of a booted simulator; None takes the only one.
        bundle_id: That the app was built with; None takes the one of `ios_demo/project.yml`.
        reports: Folder of this Mac's crash reports, where those of simulated apps are.
    """

    def __init__(self, wanted: str | None, bundle_id: str | None, reports: Path | None = None) -> None:
        self._wanted = wanted
        self._bundle_id = bundle_id or PACKAGE
        self._folder = reports or Path.home() / "Library/Logs/DiagnosticReports"
        self._udid = ""
        self._documents = Path()
        self._before: set[Path] = set()

    def check(self) -> None:
        """See `Transport`; ends with a start of the app, which makes its folders."""
        require_tool("xcrun", "run this on a Mac with Xcode 16 or newer")
        self._udid = self._choose(self._booted())
        done = self._simctl("get_app_container", self._udid, self._bundle_id, "data")
        if done.returncode != 0:
            raise UserError(f"the app {self._bundle_id} is not in the simulator {self._udid}: {BUILD}")
        self._documents = Path(done.stdout.decode(errors="replace").strip()) / "Documents"
        self._launch(())

    def describe(self) -> Mapping[str, Any]:
        """See `Transport`."""
        return {"serial": self._udid}

    def hold(self) -> str:
        """See `Transport`; a simulator does not sleep."""
        return ""

    def release(self) -> None:
        """See `Transport`."""
        self._simctl("terminate", self._udid, self._bundle_id)

    def push(self, source: Path, folder: str) -> None:
        """See `Transport`."""
        place = self._documents / folder / source.name
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.rmtree(place, ignore_errors=True)  # files of an earlier artifact would count as this one's
                shutil.copytree(source, place)
            else:
                shutil.copyfile(source, place)
        except OSError as error:
            raise UserError(f"cannot copy {source.name} into the simulator: {error.strerror or error}") from None

    def start(self, arguments: Mapping[str, Any]) -> None:
        """See `Transport`."""
        self._before = set(self._crash_reports())
        self._launch(launch_words(arguments))

    def pull(self, path: str) -> bytes | None:
        """See `Transport`."""
        try:
            return (self._documents / path).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise UserError(f"cannot read the app's {path}: {error.strerror}") from None

    def running(self) -> bool:
        """See `Transport`; launchd lists an app as "PID STATUS UIKitApplication:BUNDLE[...]", "-" for no process."""
        done = self._simctl("spawn", self._udid, "launchctl", "list")
        self._succeed(done, "cannot ask whether the app runs")
        rows = [line.split() for line in done.stdout.decode(errors="replace").splitlines()]
        label = f"UIKitApplication:{self._bundle_id}["
        return any(len(row) == 3 and row[2].startswith(label) and row[0].isdigit() for row in rows)

    def last_words(self) -> list[str]:
        """See `Transport`."""
        return last_lines(self.pull(LOG))

    def death(self) -> Failure:
        """See `Transport`."""
        fresh = [path for path in self._crash_reports() if path not in self._before]
        return death_of((path.read_bytes() for path in fresh), self.last_words())

    def _booted(self) -> dict[str, str]:
        """Return the names of the iOS simulators that run, by UDID."""
        done = self._simctl("list", "devices", "booted", "--json")
        self._succeed(done, "simctl lists no simulators")
        try:
            runtimes = json.loads(done.stdout)["devices"]
            found = [one for runtime, ones in runtimes.items() if runtime.startswith(RUNTIME) for one in ones]
            return {str(one["udid"]): str(one["name"]) for one in found if one.get("state") == "Booted"}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(f"simctl gave no JSON that can be read ({error}): update Xcode") from None

    def _choose(self, booted: Mapping[str, str]) -> str:
        shown = ", ".join(f"{udid} ({name})" for udid, name in booted.items())
        if not booted:
            raise UserError("no iPhone simulator is booted: xcrun simctl boot NAME, of xcrun simctl list devices")
        if self._wanted is None and len(booted) > 1:
            raise UserError(f"{len(booted)} simulators are booted: name one with --udid, of {shown}")
        found = [udid for udid, name in booted.items() if self._wanted in (None, udid, name)]
        if len(found) != 1:
            raise UserError(f"no single booted simulator is {self._wanted}: there are {shown}")
        return found[0]

    def _launch(self, words: Sequence[str]) -> None:
        launch = ("launch", "--terminate-running-process", self._udid, self._bundle_id, "--benchmark")
        self._succeed(self._simctl(*launch, *words), "the app does not start")

    def _crash_reports(self) -> list[Path]:
        return [path for path in sorted(self._folder.glob(f"{APP}-*.ips")) if concerns_app(path.name)]

    def _simctl(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        return run_tool(["xcrun", "simctl", *arguments])

    def _succeed(self, done: subprocess.CompletedProcess[bytes], what: str) -> None:
        if done.returncode != 0:
            raise UserError(f"{what} ({complaint(done)}): is the simulator {self._udid} still booted?")
