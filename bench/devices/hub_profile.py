"""What a job's profile says: `InferenceJob.download_profile` of qai-hub 0.56, in microseconds and bytes."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.devices.hub_service import RefusedError
from bench.records.record import Memory

LEAST_MS = 1e-6
"""A record holds no time of zero: it is one that was not told."""


@dataclass(frozen=True)
class Profile:
    """What a record takes from a profile.

    Attributes:
        samples: Milliseconds of every run that the service lists; whether it warmed up before is not told.
        load_ms: The first load, caches cold; None where it is not told.
        memory: The peak while it ran; None where it is not told. What was resident before is never told.
        layers: By compute unit ("CPU", "GPU", "NPU"), how many layers ran there.
    """

    samples: list[float]
    load_ms: float | None
    memory: Memory | None
    layers: Mapping[str, int]


def read_profile(told: Mapping[str, Any]) -> Profile:
    """Read a profile.

    Raises:
        RefusedError: It has no times of single runs, or is no profile.
    """
    try:
        summary, layers = told["execution_summary"], told["execution_detail"]
        samples = [float(each) / 1e3 for each in summary.get("all_inference_times") or []]
        load = float(summary.get("first_load_time") or 0.0) / 1e3
        peak = int(summary.get("estimated_inference_peak_memory") or 0)
        units = dict(Counter(str(layer["compute_unit"]) for layer in layers))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RefusedError(f"its profile cannot be read ({type(error).__name__}: {error})") from None
    if not samples or min(samples) < LEAST_MS:
        raise RefusedError("its profile has no times of single runs")
    memory = Memory(peak, None) if peak > 0 else None
    return Profile(samples, load if load >= LEAST_MS else None, memory, units)
