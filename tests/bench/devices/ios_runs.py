"""Runs of `bench/run.py --device ios`: what a scripted xcrun devicectl answers on the way, and how they are started."""

from pathlib import Path

from bench import run
from tests.bench.devices import apple
from tests.bench.devices.apple import BUNDLE, device, listed
from tests.bench.devices.phones import MODEL

LISTED = listed(apple.WATCH, apple.OLD_PHONE, apple.SIMULATED, device())
INSTALLED = ("info apps", [{"json": {"apps": [{"bundleIdentifier": BUNDLE, "name": "MiniVLM"}]}}])
UNLOCKED = ("info lockState", [{"json": {"passcodeRequired": False, "unlockedSinceBoot": True}}])
READY = [LISTED, INSTALLED, UNLOCKED]
COPIES = ("device copy to", [{}])
STARTS = ("device process launch", [{}])
EXECUTABLE = "file:///private/var/containers/Bundle/Application/AAAA/MiniVLM.app/MiniVLM"
ALIVE = ("info processes", [{"json": {"runningProcesses": [{"processIdentifier": 500, "executable": EXECUTABLE}]}}])
NO_REPORTS = ("info files .*systemCrashLogs", [{"json": {"files": []}}])
WORKS = [*READY, COPIES, STARTS, ALIVE, NO_REPORTS]


def sends(folder: Path) -> tuple[str, list[dict]]:
    return (r"--source Documents/results/(\S+) ", [{"copy": str(folder)}])


def benchmark(folders, *flags: str, bundle: tuple[str, ...] = ("--bundle-id", BUNDLE)) -> None:
    given = ["--device", "ios", *bundle, "--models", MODEL, "--profile", "quick", "--threads", "2"]
    run.main([*given, "--artifacts", str(folders["artifacts"]), "--output", str(folders["output"]), *flags])
