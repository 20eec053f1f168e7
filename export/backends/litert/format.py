"""LiteRT: what an artifact can hold, and which code makes and runs it."""

from export.core.format import PRECISIONS, Format, by_family

FORMAT = Format(
    runtime="litert",
    title="LiteRT",
    suffix="tflite",
    whole_suffix="tflite",
    precisions=by_family(PRECISIONS),
    exporter="export.backends.litert.exporter:LiteRTExporter",
    program="export.backends.litert.program:LiteRTProgram",
    extra="litert",
    imports=("litert_torch", "ai_edge_litert", "ai_edge_quantizer"),
    packages=("torch", "litert-torch", "ai-edge-litert", "ai-edge-quantizer", "timm"),
    bindings=("ai_edge_litert.interpreter", "tflite_runtime.interpreter"),
    script="export/to_tflite.py",
)
