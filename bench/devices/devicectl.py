"""The way to the iPhone app, by Xcode's devicectl; docs/phones-ios.md has the contract."""

import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from bench.devices import coredevice
from bench.devices.apple_devices import AppleDevice, choose, read_devices
from bench.devices.coredevice import DEVICE_ERROR, LAUNCH_ERROR, POSIX_ERROR, Answer, ask, control
from bench.devices.crash_reports import APP, concerns_app, death_of
from bench.devices.launching import LOG, last_lines, launch_words
from bench.devices.transport import require_tool
from bench.records.record import Failure
from minivlm.errors import UserError

EXECUTABLE = f"{APP}.app/{APP}"
SECONDS = 60.0
"""In which a question must be answered; the first after Xcode's installation takes longest."""
COPY_SECONDS = 600.0
"""For the largest artifact, over Wi-Fi."""
RETURN_SECONDS = 20.0
"""For which a phone may be gone: over Wi-Fi some are for a moment."""
REPORT_TRIES = 3
REPORT_PAUSE = 2.0


class DeviceCtl:
    """Implements `bench.devices.transport.Transport`.

    Args:
        wanted: Identifier, UDID or name of a phone; None takes the only one.
        bundle_id: That the app was built with; None asks for it.
    """

    def __init__(self, wanted: str | None, bundle_id: str | None) -> None:
        self._wanted = wanted
        self._bundle_id = bundle_id
        self._device: AppleDevice
        self._reports: set[str] = set()

    def check(self) -> None:
        """See `Transport`; ends with a start of the app, which makes its folders and shows that it can start."""
        require_tool("xcrun", "run this on a Mac with Xcode 16 or newer")
        self._device = choose(self._devices(), self._wanted)
        self._bundle_id = self._installed()
        locked = self._ask(("device", "info", "lockState"), "cannot ask whether the phone is locked")
        if locked.result.get("passcodeRequired"):
            raise UserError(f"{self._device} is locked, and a locked phone starts no app: unlock it and keep it awake")
        self._launch(())

    def describe(self) -> Mapping[str, Any]:
        """See `Transport`."""
        known = {"phone": self._device.product, "system": self._device.system, "serial": self._device.udid}
        return {name: value for name, value in known.items() if value}

    def hold(self) -> str:
        """See `Transport`; the app itself keeps the phone awake while it measures."""
        return ""

    def release(self) -> None:
        """See `Transport`; nothing of the phone was set."""
        for process in self._processes():
            pid = ("--device", self._device.identifier, "--pid", str(process.get("processIdentifier", "")))
            control(("device", "process", "terminate"), pid, SECONDS)

    def push(self, source: Path, folder: str) -> None:
        """See `Transport`; a folder goes as one source."""
        place = ("--source", str(source), "--destination", f"Documents/{folder}/{source.name}")
        what = f"cannot copy {source.name} to the phone"
        self._ask(("device", "copy", "to"), what, *self._container, *place, seconds=COPY_SECONDS)

    def start(self, arguments: Mapping[str, Any]) -> None:
        """See `Transport`; `--terminate-existing` stops what is left of an earlier start."""
        self._reports = set(self._crash_reports())
        self._launch(launch_words(arguments))

    def pull(self, path: str) -> bytes | None:
        """See `Transport`."""
        return self._copied(f"Documents/{path}", *self._container)

    def running(self) -> bool:
        """See `Transport`."""
        return bool(self._processes())

    def last_words(self) -> list[str]:
        """See `Transport`."""
        return last_lines(self.pull(LOG))

    def death(self) -> Failure:
        """See `Transport`; a report is there some seconds after the crash."""
        words = self.last_words()
        fresh: list[str] = []
        for number in range(REPORT_TRIES):
            if number:
                time.sleep(REPORT_PAUSE)
            fresh = [name for name in self._crash_reports() if name not in self._reports]
            if fresh:
                break
        reports = [self._copied(name, "--domain-type", "systemCrashLogs") for name in fresh]
        return death_of((report for report in reports if report), words)

    @property
    def _container(self) -> tuple[str, ...]:
        return ("--domain-type", "appDataContainer", "--domain-identifier", str(self._bundle_id))

    def _processes(self) -> list[dict[str, Any]]:
        """Return those of the app."""
        answer = self._ask(("device", "info", "processes"), "cannot ask whether the app runs")
        found = answer.items("runningProcesses")
        return [process for process in found if str(process.get("executable", "")).endswith(EXECUTABLE)]

    def _devices(self) -> list[AppleDevice]:
        answer = ask(("list", "devices"), (), SECONDS)
        coredevice.require_xcode(answer)
        if not answer.ok:
            raise UserError(f"devicectl lists no devices ({answer.complaint}): restart Xcode, or this Mac")
        return read_devices(answer.items("devices"))

    def _installed(self) -> str:
        """Return the app's bundle id, which must be on the phone."""
        known = () if self._bundle_id is None else ("--bundle-id", self._bundle_id)
        apps = self._ask(("device", "info", "apps"), "cannot list the phone's apps", *known).items("apps")
        ids = [str(app.get("bundleIdentifier", "")) for app in apps]
        if self._bundle_id is None:
            ours = [name for name, app in zip(ids, apps, strict=True) if app.get("name") == APP]
            here = f": {', '.join(ours)}" if ours else ", or build and install it first as docs/phones-ios.md says"
            raise UserError(f"--bundle-id is missing: give the BUNDLE_ID of the app on {self._device}{here}")
        if self._bundle_id not in ids:
            raise UserError(
                f"the app {self._bundle_id} is not on {self._device}: build and install it as docs/phones-ios.md says, "
                "or give the BUNDLE_ID that it was built with by --bundle-id"
            )
        return self._bundle_id

    def _launch(self, words: tuple[str, ...]) -> None:
        rest = ("--terminate-existing", str(self._bundle_id), "--", "--benchmark", *words)
        self._ask(("device", "process", "launch"), "the app does not start", *rest)

    def _ask(self, command: tuple[str, ...], what: str, *rest: str, seconds: float = SECONDS) -> Answer:
        answer = self._try(command, rest, seconds)
        if not answer.ok:
            self._refuse(answer, what)
        return answer

    def _copied(self, source: str, *domain: str) -> bytes | None:
        """Return a file of the phone; None where it is not there, of which devicectl says no more than 7000."""
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder, "copy")
            place = (*domain, "--source", source, "--destination", str(copy))
            answer = self._try(("device", "copy", "from"), place, SECONDS)
            if answer.ok and copy.is_file():
                return copy.read_bytes()
            if answer.ok or answer.has(DEVICE_ERROR, 7000) or answer.has(POSIX_ERROR, 2):
                return None
            self._refuse(answer, f"cannot read {source} of the phone")

    def _try(self, command: tuple[str, ...], rest: Sequence[str], seconds: float) -> Answer:
        """Run a command for the phone, once more where the phone was gone and came back."""
        named = ("--device", self._device.identifier, *rest)
        answer = ask(command, named, seconds)
        return ask(command, named, seconds) if not answer.ok and self._came_back(answer) else answer

    def _came_back(self, failed: Answer) -> bool:
        """Ask whether the phone is still there, which no error tells for sure; tells whether it was waited for.

        Raises:
            UserError: It went away.
        """
        limit, waited = time.monotonic() + RETURN_SECONDS, False
        while not self._there():
            if time.monotonic() >= limit:
                raise UserError(
                    f"{self._device} is no longer connected ({failed.complaint}): connect it again and use --resume"
                )
            waited = True
            time.sleep(coredevice.PAUSE_SECONDS)
        return waited

    def _there(self) -> bool:
        here = [device for device in self._devices() if device.identifier == self._device.identifier]
        return bool(here) and here[0].tunnel != "unavailable"

    def _crash_reports(self) -> list[str]:
        """Return the paths of the reports that may be about the app; none where the phone does not list them."""
        rest = ("--device", self._device.identifier, "--domain-type", "systemCrashLogs")
        files = ask(("device", "info", "files"), rest, SECONDS, tries=1).items("files")
        names = [str(file.get("relativePath") or file.get("name") or "") for file in files]
        return [name for name in names if concerns_app(name)]

    def _refuse(self, answer: Answer, what: str) -> NoReturn:
        """Say what went wrong, by domain and code.

        Raises:
            UserError: Always.
        """
        if _locked(answer):
            raise UserError(f"{self._device} is locked: unlock it, keep it awake, and use --resume")
        if answer.has(LAUNCH_ERROR, 3) or answer.named("Security"):
            raise UserError(
                f"{self._device} does not trust who built the app: allow it under Settings, General, VPN & Device "
                "Management; with a free Apple ID build it again every seven days"
            )
        if answer.has(POSIX_ERROR, 28):
            raise UserError(f"{what}: the phone's storage is full; free space on it")
        if answer.has(DEVICE_ERROR, 12040):
            raise UserError(f"{what} ({answer.complaint}): unlock the phone, and open Xcode with it connected once")
        raise UserError(f"{what} ({answer.complaint}): docs/phones-ios.md says what can be the matter")


def _locked(answer: Answer) -> bool:
    """Tell whether a phone refused because it is locked: the app's start, or the mounting of Xcode's disk image."""
    return answer.named("Locked") or answer.has(LAUNCH_ERROR, 7) or answer.has("com.apple.mobiledevice", -402652958)
