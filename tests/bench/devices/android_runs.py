"""Runs of `bench/run.py --device android`: what a scripted adb answers on the way, and how they are started."""

from pathlib import Path

from bench import run
from tests.bench.devices import adb_replies as replies
from tests.bench.devices.adb_replies import PID, SERIAL, STARTED, devices
from tests.bench.devices.phones import MODEL

CONNECTED = ("^devices$", [{"out": devices(**{SERIAL: "device"})}])
INSTALLED = ("pm path", [{"out": "package:/data/app/~~x==/org.minivlm.demo-y==/base.apk\n"}])
DEBUGGABLE = ("run-as org.minivlm.demo true", [{}])
UNLOCKED = ("dumpsys window", [{"out": replies.UNLOCKED}])
WAKES = ("input keyevent KEYCODE_WAKEUP", [{}])
DESCRIBED = [("getprop$", [{"out": replies.GETPROP}]), ("nproc --all", [{"out": "8\n"}])]
NOTE = "/data/local/tmp/minivlm/stay_on_while_plugged_in"
NO_NOTE = {"err": f"cat: {NOTE}: No such file or directory\n", "code": 1}
SLEEPS = [
    (f"cat {NOTE}", [NO_NOTE, {"out": "0\n"}]),
    ("settings get global stay_on_while_plugged_in", [{"out": "0\n"}]),
    ("(settings put|settings delete|svc power stayon|echo )", [{}]),
]
READY = [CONNECTED, INSTALLED, DEBUGGABLE, UNLOCKED, WAKES, *DESCRIBED, *SLEEPS]
COPIES = ("(shell mkdir|push |shell run-as .* (mkdir|cp) |shell rm )", [{}])
STARTS = [
    ("force-stop", [{}]),
    ("shell date", [{"out": f"{STARTED}\n"}]),
    ("shell am start", [{"out": replies.STARTED_ACTIVITY}]),
]
ALIVE = ("shell pidof", [{"out": f"{PID}\n"}])


def says(*lines: str) -> tuple[str, list[dict]]:
    return ("cat files/results/status.json", [{"out": line} for line in lines])


def sends(folder: Path) -> tuple[str, list[dict]]:
    return (r"cat files/results/([^\s\']+)", [{"folder": str(folder)}])


def benchmark(folders, *flags: str) -> None:
    given = ["--device", "android", "--models", MODEL, "--profile", "quick", "--timeout", "20", "--cool-down", "0"]
    threads = [] if "--threads" in flags else ["--threads", "2"]
    paths = ["--artifacts", str(folders["artifacts"]), "--output", str(folders["output"])]
    run.main([*given, *threads, *paths, *flags])
