"""ExecuTorch and its delegates: what an artifact can hold, and which code makes and runs it."""

from export.core.format import PRECISIONS, Delegate, Family, Format, by_family

RUNS = "export.backends.executorch.program:runs_here"

XNNPACK = Delegate(
    name="xnnpack",
    title="ExecuTorch with XNNPACK",
    precisions=by_family(PRECISIONS),
    backend="XnnpackBackend",
    runs=RUNS,
)
# int8 artifacts are made for XNNPACK: its quantizer's scales are not those that the others compute with.
COREML = Delegate(
    name="coreml",
    title="ExecuTorch with Core ML",
    precisions=dict.fromkeys(Family, ("fp32", "fp16")),
    backend="CoreMLBackend",
    runs=RUNS,
    imports=("coremltools",),
    extra="coreml",
)
VULKAN = Delegate(
    name="vulkan",
    title="ExecuTorch with Vulkan",
    precisions=dict.fromkeys(Family, ("fp32", "fp16")),
    backend="VulkanBackend",
    runs=RUNS,
)
DELEGATES = (XNNPACK, COREML, VULKAN)

FORMAT = Format(
    runtime="executorch",
    title=XNNPACK.title,
    suffix="pte",
    whole_suffix="pte",
    precisions=XNNPACK.precisions,
    exporter="export.backends.executorch.exporter:ExecuTorchExporter",
    program="export.backends.executorch.program:ExecuTorchProgram",
    extra="",
    imports=("executorch",),
    packages=("torch", "executorch", "timm", "torchao"),
    bindings=("executorch.runtime",),
    script="export/to_executorch.py",
    delegates=DELEGATES,
    refused_delegates={"qnn": "export.drivers.qualcomm:refusal"},
)
