"""ONNX Runtime: what an artifact can hold, and which code makes and runs it."""

from export.core.format import PRECISIONS, Format, by_family

FORMAT = Format(
    runtime="onnx",
    title="ONNX Runtime",
    suffix="onnx",
    whole_suffix="onnxpackage",
    precisions=by_family(PRECISIONS),
    exporter="export.backends.onnx.exporter:OnnxExporter",
    program="export.backends.onnx.program:OnnxProgram",
    extra="onnx",
    imports=("onnx", "onnxruntime", "onnxscript"),
    packages=("torch", "onnx", "onnxruntime", "onnxscript", "timm"),
    bindings=("onnxruntime",),
    script="export/to_onnx.py",
)
