"""What must be known about the machine to compare two measurements."""

import os
import platform
from pathlib import Path
from typing import Any

from export.sidecar import tool_versions

FEATURES = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "asimd", "asimddp", "i8mm")
"""Instruction sets that decide how fast fp32 and int8 kernels are."""


def available_cores() -> int:
    """Return how many cores this process may use, which in a container is fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def environment() -> dict[str, Any]:
    """Describe machine, load and versions."""
    import psutil

    cpu, flags = _cpu()
    return {
        "cpu": cpu,
        "cores": available_cores(),
        "cpu_features": [feature for feature in FEATURES if feature in flags],
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "load_1min": round(os.getloadavg()[0], 2),
        "system": platform.platform(),
        "versions": tool_versions("torch", "timm", "executorch", "numpy"),
    }


def _cpu() -> tuple[str, set[str]]:
    """Return the CPU's name and feature flags, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine(), set()
    fields = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    flags = fields.get("flags", "") + " " + fields.get("Features", "")
    return fields.get("model name", platform.machine()), set(flags.split())
