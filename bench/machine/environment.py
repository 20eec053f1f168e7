"""What must be known about the machine to compare two measurements."""

import math
import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from bench.machine.container import container
from export.core.sidecar import tool_versions

FEATURES = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "asimd", "asimddp", "i8mm")
"""Instruction sets that decide how fast fp32 and int8 kernels are."""
PACKAGES = (
    *("torch", "timm", "executorch", "onnxruntime", "ai-edge-litert", "tflite-runtime", "torchao", "numpy"),
    *("onnx", "litert-torch", "ai-edge-quantizer"),
)
"""Those that a time may depend on."""
GOVERNOR = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")


def available_cores() -> int:
    """Return how many cores this process may use, which in a container is fewer than the machine has."""
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = container().cores
    return bound if quota is None else max(1, min(bound, math.floor(quota)))


def current_frequency() -> float | None:
    """Return the mean clock of the cores in MHz; None where the system does not tell."""
    try:
        found = psutil.cpu_freq()
    except (OSError, NotImplementedError, RuntimeError):
        return None
    return round(found.current, 1) if found else None


def environment() -> dict[str, Any]:
    """Describe machine, limits, load and versions as plain data."""
    cpu, flags = _cpu()
    limits = container()
    return {
        "cpu": cpu,
        "cores": available_cores(),
        "cores_of_machine": os.cpu_count(),
        "cpu_features": [feature for feature in FEATURES if feature in flags],
        "virtual": "hypervisor" in flags,
        "frequency_mhz": current_frequency(),
        "governor": _line(GOVERNOR),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "container": {"cores": limits.cores, "memory_bytes": limits.memory_bytes},
        "load_1min": round(os.getloadavg()[0], 2),
        "system": platform.platform(),
        "versions": tool_versions(*PACKAGES),
    }


def now() -> str:
    """Return the time in UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _cpu() -> tuple[str, set[str]]:
    """Return the CPU's name and feature flags, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine(), set()
    fields = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    flags = fields.get("flags", "") + " " + fields.get("Features", "")
    return fields.get("model name", platform.machine()), set(flags.split())


def _line(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return None
