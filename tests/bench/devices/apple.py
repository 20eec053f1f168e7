"""What Apple's tools write, in the shapes that public logs and tests of other projects show; values are made up."""

import json
from typing import Any

IDENTIFIER = "8648BE6E-199F-55FE-B508-5B42071FEE92"
"""CoreDevice's own, which is no hardware UDID."""
UDID = "00008120-001A2B3C4D5E001E"
BUNDLE = "com.example.minivlm"


def device(**changes: Any) -> dict[str, Any]:
    """A wired iPhone, unless changed, in `devicectl list devices` of Xcode 15 to 26 (jsonVersion 2)."""
    given = {
        "identifier": IDENTIFIER,
        "udid": UDID,
        "name": "Ada's iPhone",
        "platform": "iOS",
        "tunnelState": "disconnected",
        "pairingState": "paired",
        "transportType": "wired",
        "developerModeStatus": "enabled",
        "reality": "physical",
    } | changes

    def part(*names: str) -> dict[str, Any]:
        return {name: given[name] for name in names if given[name] is not None}

    return {
        "capabilities": [],
        "identifier": given["identifier"],
        "visibilityClass": "default",
        "connectionProperties": part("pairingState", "transportType", "tunnelState"),
        "deviceProperties": part("developerModeStatus", "name"),
        "hardwareProperties": part("platform", "reality", "udid"),
    }


def device_of_xcode_27(**changes: Any) -> dict[str, Any]:
    """The same as Xcode 27 writes it beside the older form, which it may leave out (jsonVersion 5)."""
    old = device(**changes)
    connection, state = dict(old["connectionProperties"]), dict(old["deviceProperties"])
    connection["state"] = connection.pop("tunnelState")
    state["developerModeStatus"] = {state["developerModeStatus"]: {"mode": 1}}
    properties = {"connection": connection, "hardware": old["hardwareProperties"], "state": state}
    return {"identifier": old["identifier"], "properties": properties}


WATCH = device(identifier="W-1", udid="00008301-0000000000000001", name="Ada's Watch", platform="watchOS")
OLD_PHONE = device(identifier="P-0", udid="00008030-0000000000000000", name="Old iPhone", tunnelState="unavailable")
SECOND = device(identifier="P-2", udid="00008130-0000000000000002", name="Second iPhone")
SIMULATED = device(identifier="S-1", udid="S-1", name="iPhone 18 Pro", reality="simulated")


def listed(*devices: dict[str, Any]) -> tuple[str, list[dict[str, Any]]]:
    return ("devicectl list devices", [{"json": {"devices": list(devices)}}])


def error(
    domain: str, code: int, text: str = "", name: str = "", under: dict[str, Any] | None = None
) -> dict[str, Any]:
    """An error as devicectl writes it: every value of userInfo within an object that names its type."""
    info: dict[str, Any] = {}
    if text:
        info["NSLocalizedDescription"] = {"string": text}
    if name:
        info["BSErrorCodeDescription"] = {"string": name}
    if under:
        info["NSUnderlyingError"] = {"error": under}
    return {"domain": domain, "code": code, "userInfo": info}


CORE = "com.apple.dt.CoreDeviceError"
NOT_FOUND = error(CORE, 1000, "The specified device was not found.")
NO_NODE = error(CORE, 7000, "Failed to retrieve the file node for 'Documents/models' due to an error.")
PAIRING_LOST = error(CORE, 4, "The tunnel connection failed.", under=error("com.apple.dt.RemotePairingError", 4))
FULL = error(CORE, 7000, under=error("NSPOSIXErrorDomain", 28, "No space left on device"))
NO_DISK_IMAGE = error(CORE, 12040, "The developer disk image could not be mounted on this device.")


def no_launch(code: int, name: str, text: str) -> dict[str, Any]:
    """A refused launch: the reason is two errors down, and the tool's last line is a request's number."""
    inner = error("FBSOpenApplicationErrorDomain", code, text, name)
    service = error("FBSOpenApplicationServiceErrorDomain", 1, "The request to open the app failed.", under=inner)
    return error(CORE, 10002, "The application failed to launch.", under=service)


LOCKED = no_launch(7, "Locked", "Unable to launch it because the device was not, or could not be, unlocked.")
UNTRUSTED = no_launch(3, "Security", "its profile has not been explicitly trusted by the user.")
BUSY = no_launch(5, "Busy", "Application cannot be opened for reason: Busy")
INVALID = error(CORE, 10002, "The application failed to launch.", under=error("NSPOSIXErrorDomain", 22))
REQUEST = "  FBSOpenApplicationRequestID = 0x2f1a\n"


def crash(**changes: Any) -> str:
    """A crash report (.ips): a line of JSON on what it is, and the report as a JSON object."""
    header = {"app_name": "MiniVLM", "timestamp": "2026-11-26 10:11:12.00 +0100", "bug_type": "309"}
    body = {
        "procName": "MiniVLM",
        "exception": {"type": "EXC_BAD_INSTRUCTION", "signal": "SIGILL"},
        "termination": {"namespace": "SIGNAL", "code": 4, "indicator": "Illegal instruction: 4"},
    } | changes
    return f"{json.dumps(header)}\n{json.dumps(body, indent=2)}\n"


def jetsam(*processes: dict[str, Any]) -> str:
    """A report on processes that were stopped for memory (JetsamEvent): it lists all, and says why of those."""
    header = {"bug_type": "298", "timestamp": "2026-11-26 10:11:12.00 +0100"}
    body = {"largestProcess": "MiniVLM", "memoryStatus": {"pageSize": 16384}, "processes": list(processes)}
    return f"{json.dumps(header)}\n{json.dumps(body)}\n"


STOPPED = {"name": "MiniVLM", "rpages": 131072, "reason": "per-process-limit", "states": ["frontmost"]}
"""131072 pages of 16 KiB: 2048 MiB."""
WATCHDOG = {
    "exception": {"type": "EXC_CRASH", "signal": "SIGKILL"},
    "termination": {
        "namespace": "FRONTBOARD",
        "code": 2343432205,  # 0x8badf00d
        "reasons": ["scene-update watchdog transgression: app exhausted real time allowance of 10.00 seconds"],
    },
}
QUIT = {
    "exception": {"type": "EXC_CRASH", "signal": "SIGKILL"},
    "termination": {"namespace": "FRONTBOARD", "code": 3735943697},  # 0xdeadfa11
}
