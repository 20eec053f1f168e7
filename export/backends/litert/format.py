"""LiteRT: what an artifact can hold, and which code makes and runs it."""

from export.core.acceleration import Accelerator
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
    accelerators={
        "gpu": Accelerator(
            program="export.backends.litert.accelerated:GPUProgram",
            precisions=("fp32", "fp16"),
            computed=("fp32", "fp16"),
        )
    },
)
