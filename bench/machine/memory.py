"""How much memory this process takes, as the system accounts it."""

import resource
import sys
from pathlib import Path

import psutil

_STATUS = Path("/proc/self/status")


def resident() -> int:
    """Return the bytes that are resident now."""
    return int(psutil.Process().memory_info().rss)


def forget_peak() -> None:
    """Begin a new peak, where the system can."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return  # then `peak` is that of the whole process, which is no smaller


def peak() -> int:
    """Return the most bytes that were resident at once since `forget_peak`, or in the life of the process."""
    try:
        lines = _STATUS.read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    for line in lines:
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, others kilobytes
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
