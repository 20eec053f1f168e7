"""Names of the runtimes that run no artifact, and on what others run one where nothing else is said."""

from collections.abc import Mapping
from types import MappingProxyType

PYTORCH = "pytorch"
COMPILED = "pytorch-compiled"
PYTORCH_RUNTIMES = (PYTORCH, COMPILED)
"""They run the model itself, in fp32; every other runtime runs an artifact."""
ALL_UNITS: Mapping[str, str] = MappingProxyType({"coreml": "all"})
"""By runtime, the name of all its compute units, among which it chooses by itself."""


def default_place(runtime: str) -> str:
    """Return on what a runtime runs where nothing else is said; "" is the CPU, or the only place that it has."""
    return ALL_UNITS.get(runtime, "")
