"""Core ML: what an artifact can hold, and which code makes and runs it."""

from export.core.format import PRECISIONS, Family, Format

FORMAT = Format(
    runtime="coreml",
    title="Core ML",
    suffix="mlpackage",
    whole_suffix="mlpackage",
    precisions=dict.fromkeys(Family, PRECISIONS),
    exporter="export.backends.coreml.exporter:CoreMLExporter",
    program="export.backends.coreml.program:CoreMLProgram",
    extra="coreml",
    imports=("coremltools",),
    packages=("torch", "coremltools", "timm"),
    system="Darwin",
    script="export/to_coreml.py",
)
