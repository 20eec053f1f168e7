"""Export a model to ExecuTorch with XNNPACK, prove the file in the ExecuTorch runtime, and describe it.

    python export/to_executorch.py --model minivlm
    python export/to_executorch.py --model tee-0 --image-size 384x512 --output my-artifacts

Writes {model}-executorch-{precision}.pte and a .json beside it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from export.arguments import ExportRequest, parse_request
from export.catalogue import exportable_methods
from export.executorch_program import ExecuTorchProgram, LoweredProgram, export_program, lower
from export.methods import Method
from export.parity import BOUNDS, Figure, compare_regions, compare_tensors
from export.sidecar import (
    MethodReport,
    Sidecar,
    artifact_path,
    sidecar_path,
    tensor_specs,
    tool_versions,
    words_folder,
)
from minivlm.backend import words_of
from minivlm.console import Steps
from minivlm.errors import UserError, run_command
from minivlm.files import replacing, sha256
from minivlm.model import VisionLanguageModel
from minivlm.registry import NamedModel, load_model
from minivlm.vision.regions import Regions
from minivlm.words import write_words

RUNTIME = "executorch"
PRECISIONS = ("fp32",)


@dataclass(frozen=True)
class ExportResult:
    """Where an export went and what is known about it."""

    artifact: Path
    sidecar: Sidecar


def export_model(request: ExportRequest, steps: Steps) -> ExportResult:
    """Export, prove and describe a model.

    Raises:
        UserError: The model cannot be had or exported, the output cannot be written, or the artifact does not compute
            what the model computes; then no artifact is left behind.
    """
    with steps.step("load the model"):
        model = load_model(request.model, checkpoint=request.checkpoint, seed=request.seed)
        words = None
        if isinstance(model.module, VisionLanguageModel):
            words = words_of(model.module.config, request.checkpoint)
        methods = exportable_methods(model, words, request.image_size, request.photo)
        macs = {method.name: total_macs(method) for method in methods}
    with steps.step("run it in PyTorch"):
        expected = {method.name: run_reference(method) for method in methods}
    with steps.step("trace with torch.export"):
        programs = {method.name: export_program(method) for method in methods}
    with steps.step("lower to XNNPACK"):
        lowered = lower(programs)
    artifact = artifact_path(request.output, model.name, RUNTIME, request.precision, "pte")
    with replacing(artifact) as partial:
        with steps.step("write the file"), partial.open("wb") as file:
            lowered.program.write_to_file(file)
        with steps.step("run it in ExecuTorch"):
            program = ExecuTorchProgram(partial)
            given = {method.name: program.run(method.name, method.example) for method in methods}
        reports = [
            report(method, expected[method.name], given[method.name], macs[method.name], lowered, request.precision)
            for method in methods
        ]
        check_parity(model, reports)
        # Before the artifact takes its place: a reader who finds it finds what belongs to it, or is told it does not.
        sidecar = describe(model, request, partial, reports, steps)
        sidecar.write(artifact)
        if words is not None:
            write_words(words_folder(artifact), words)
    return ExportResult(artifact, sidecar)


def run_reference(method: Method) -> tuple[Tensor, ...]:
    """Run a method in PyTorch."""
    with torch.no_grad():
        return tuple(method.module(*method.example))


def total_macs(method: Method) -> int:
    """Count a method's multiply-adds as PyTorch runs them."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter, torch.no_grad():
        method.module(*method.example)
    return counter.get_total_flops() // 2


def report(
    method: Method,
    expected: tuple[Tensor, ...],
    given: tuple[Tensor, ...],
    macs: int,
    lowered: LoweredProgram,
    precision: str,
) -> MethodReport:
    """Compare a method's results and put together what the sidecar says about it."""
    bounds = BOUNDS[precision]
    if method.kind == "regions":
        parity = compare_regions(Regions(*expected), Regions(*given), bounds)
    else:
        parity = compare_tensors(method.outputs, expected, given, bounds)
    inputs, outputs = tensor_specs(method, given)
    delegated = 1.0 - lowered.macs_outside[method.name] / macs
    return MethodReport(method.name, inputs, outputs, parity, macs, delegated)


def check_parity(model: NamedModel, reports: list[MethodReport]) -> None:
    """Refuse an artifact that is not exact enough.

    Raises:
        UserError: With every figure that missed its bound.
    """
    failed = [f"{item.name}: {figure}" for item in reports for figure in item.parity if not figure.passed]
    if failed:
        raise UserError(
            f"the artifact of {model.name} does not compute what the model computes, and was not kept: "
            + "; ".join(failed)
        )


def describe(
    model: NamedModel, request: ExportRequest, artifact: Path, reports: list[MethodReport], steps: Steps
) -> Sidecar:
    """Put together the sidecar of a finished artifact, wherever the file is now."""
    return Sidecar(
        model=model.name,
        runtime=RUNTIME,
        precision=request.precision,
        weights=model.origin,
        methods=reports,
        photo=request.photo.name,
        bytes=artifact.stat().st_size,
        sha256=sha256(artifact),
        seconds={name: round(seconds, 2) for name, seconds in steps.seconds.items()},
        versions=tool_versions("torch", "executorch", "timm", "torchao"),
    )


def parity_lines(reports: list[MethodReport]) -> list[str]:
    """Return one line a method for the closing message."""
    lines = []
    for item in reports:
        figures: list[Figure] = item.parity
        lines.append(
            f"  {item.name}: {item.macs / 1e9:.2f} GMAC, {item.delegated_macs:.1%} of them in XNNPACK; "
            + ", ".join(str(figure) for figure in figures)
        )
    return lines


def next_command(result: ExportResult) -> str:
    """Return what to run next with an artifact: a caption if it can, else a measurement."""
    if any(method.name == "prefill" for method in result.sidecar.methods):
        return f"minivlm caption PHOTO --artifact {result.artifact}"
    folder = result.artifact.parent
    return f"python bench/run.py --device cpu --threads 4 --models {result.sidecar.model} --artifacts {folder}"


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    assert __doc__ is not None
    request = parse_request(__doc__, PRECISIONS, argv)
    steps = Steps()
    steps.say(f"Exporting {request.model or request.checkpoint} to ExecuTorch, {request.precision}")
    result = export_model(request, steps)
    sidecar = result.sidecar
    print(f"{result.artifact}: {sidecar.bytes / 1e6:.1f} MB in {sum(sidecar.seconds.values()):.0f} s")
    print(f"  weights: {sidecar.weights.description}")
    print("\n".join(parity_lines(sidecar.methods)))
    print(f"  described in {sidecar_path(result.artifact)}")
    print(f"Next: {next_command(result)}")


if __name__ == "__main__":
    run_command(main)
