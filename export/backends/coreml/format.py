"""Core ML: what an artifact can hold, and which code makes and runs it."""

from export.core.format import PRECISIONS, Format, by_family

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
)
