"""Core ML: what an artifact can hold, and which code makes and runs it."""

from collections.abc import Mapping
from types import MappingProxyType

from export.core.format import PRECISIONS, Format, by_family

UNITS: Mapping[str, str] = MappingProxyType(
    {"all": "ALL", "cpu-and-gpu": "CPU_AND_GPU", "cpu-and-ne": "CPU_AND_NE", "cpu": "CPU_ONLY"}
)
"""By its name in flags and records, the name of a set of processors in `coremltools.ComputeUnit`."""

FORMAT = Format(
    runtime="coreml",
    title="Core ML",
    suffix="mlpackage",
    whole_suffix="mlpackage",
    precisions=by_family(PRECISIONS),
    exporter="export.backends.coreml.exporter:CoreMLExporter",
    program="export.backends.coreml.program:CoreMLProgram",
    extra="coreml",
    imports=("coremltools",),
    packages=("torch", "coremltools", "timm"),
    system="Darwin",
    script="export/to_coreml.py",
    units=tuple(UNITS),
)
