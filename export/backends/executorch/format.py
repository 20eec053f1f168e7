"""ExecuTorch with XNNPACK: what an artifact can hold, and which code makes and runs it."""

from export.core.format import PRECISIONS, Format, by_family

FORMAT = Format(
    runtime="executorch",
    title="ExecuTorch with XNNPACK",
    suffix="pte",
    whole_suffix="pte",
    precisions=by_family(PRECISIONS),
    exporter="export.backends.executorch.exporter:ExecuTorchExporter",
    program="export.backends.executorch.program:ExecuTorchProgram",
    extra="",
    imports=("executorch",),
    packages=("torch", "executorch", "timm", "torchao"),
    bindings=("executorch.runtime",),
    script="export/to_executorch.py",
)
