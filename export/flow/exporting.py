"""What all exporters do in the same way: load, run in PyTorch, convert, run in the runtime, prove, describe."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from export.core.exporter import Built, Exporter
from export.core.feeding import feeding_of
from export.core.format import Format
from export.core.formats import (
    FORMATS,
    artifact_path,
    delegate_runs,
    exporter_of,
    find_delegate,
    program_class,
    title_of,
)
from export.core.job import Job, prepare, report_calibration
from export.core.lowering import LOWERED
from export.core.methods import Method, total_macs
from export.core.metric import Metric
from export.core.precision import by_rule, in_float
from export.core.request import ExportRequest
from export.core.sidecar import PROVEN, MethodReport, Sidecar, labels_folder, sidecar_path, tool_versions
from export.flow.examining import examiner
from export.runtime.artifact_backend import ArtifactBackend
from export.runtime.program import Program
from export.verify.captions import verify_captions
from export.verify.comparison import compare, run_reference, settle
from export.verify.layers import weakest_layer
from export.verify.metrics import worst
from export.verify.pieces import verify_pieces
from export.verify.tolerances import Tolerances, tolerances_of
from minivlm.console import Steps
from minivlm.errors import UserError
from minivlm.inference.backend import TorchBackend
from minivlm.models.sizes import sizes_of
from minivlm.storage.files import check_output, sha256, size_bytes
from minivlm.storage.publishing import publishing
from minivlm.weights.labels import write_labels


@dataclass(frozen=True)
class ExportResult:
    """Where an export went and what is known about it."""

    artifact: Path
    sidecar: Sidecar


def export_model(request: ExportRequest, steps: Steps) -> ExportResult:
    """Export, prove and describe a model.

    Raises:
        UserError: The model cannot be had or exported, the output cannot be written, or the artifact does not compute
            what the model computes or, where that was asked for, does not do what it does; then no artifact is left
            behind.
    """
    exporter: Exporter = exporter_of(FORMATS[request.runtime])
    with steps.step("load the model"):
        job = prepare(request, exporter.rules[request.precision], steps.say)
    report_calibration(job.recipe.calibration, steps)
    artifact = request.artifact or artifact_path(
        request.output, job.model.name, exporter.format, request.precision, request.delegate
    )
    labels = [labels_folder(artifact)] if job.labels is not None else []
    inputs = [path for path in (request.photo, request.checkpoint, request.calibration) if path is not None]
    for output in (artifact, sidecar_path(artifact), labels_folder(artifact)):
        check_output(output, inputs)
    # The artifact last: a reader meets the old three, the new three, or is told that they do not belong together.
    with examiner(job, steps) as judge, publishing([*labels, sidecar_path(artifact), artifact]) as folder:
        partial = folder / artifact.name
        sidecar = convert(job, exporter, partial, steps)
        if judge is not None:
            proof = judge.examine(partial, f"{request.runtime} {request.precision}")
            sidecar = replace(sidecar, tasks=proof, seconds=rounded(steps.seconds))
            sidecar.write(partial)
    return ExportResult(artifact, sidecar)


def convert(job: Job, exporter: Exporter, path: Path, steps: Steps) -> Sidecar:
    """Write an artifact with its labels and its sidecar, once it computes what the model computes.

    What nothing here can run is only described, and its sidecar says so.

    Raises:
        UserError: It cannot be made, or it does not.
    """
    target = exporter.format
    if delegate_runs(target, job.recipe.delegate):
        built, reports, whole = proven(job, exporter, path, steps)
    else:
        built = exporter.build(job.methods, job.recipe, path, steps)
        program: Program = program_class(target)(path)
        reports, whole = [report(method, [], program, built) for method in job.methods], []
    if job.labels is not None:
        write_labels(labels_folder(path), job.labels)
    sidecar = describe(job, target, built, path, reports, whole, steps)
    sidecar.write(path)
    return sidecar


def proven(job: Job, exporter: Exporter, path: Path, steps: Steps) -> tuple[Built, list[MethodReport], list[Metric]]:
    """Write an artifact and compare what it computes with what the model computes.

    Returns:
        What its exporter tells, each method's report, and the metrics of the whole.

    Raises:
        UserError: It cannot be made, or it is not exact enough.
    """
    target, recipe = exporter.format, job.recipe
    with steps.step("run it in PyTorch"):
        expected = {
            method.name: [run_reference(method, inputs) for inputs in method.verification_inputs]
            for method in job.methods
        }
    built = exporter.build(job.methods, recipe, path, steps)
    tolerances = tolerances_of(target.runtime, recipe.precision, random=job.model.origin.random)
    with steps.step(f"run it in {title_of(target, recipe.delegate)}"):
        program: Program = program_class(target)(path)
        metrics = [verify(method, expected[method.name], program, tolerances) for method in job.methods]
        built = replace(built, lowering=verify_pieces(job.methods, built, tolerances))
    reports = [report(method, found, program, built) for method, found in zip(job.methods, metrics, strict=True)]
    whole = verify_whole(job, program, tolerances, steps)
    check_metrics(job, reports, whole, exporter, steps)
    return built, reports, whole


def rounded(seconds: Mapping[str, float]) -> dict[str, float]:
    """Return the seconds of each step, to a hundredth."""
    return {name: round(value, 2) for name, value in seconds.items()}


def verify(
    method: Method, expected: Sequence[tuple[Tensor, ...]], program: Program, tolerances: Tolerances
) -> list[Metric]:
    """Run a method of the artifact on all verification inputs and compare, see `worst`."""
    given = [program.run(method.name, inputs) for inputs in method.verification_inputs]
    runs = zip(method.verification_inputs, expected, given, strict=True)
    return worst([compare(method, settle(method, *run), run[2], tolerances) for run in runs])


def report(method: Method, metrics: list[Metric], program: Program, built: Built) -> MethodReport:
    """Put together what the sidecar says of a method."""
    told = program.interface(method.name).named(list(method.inputs), method.outputs)
    return MethodReport(
        method.name,
        told.inputs,
        told.outputs,
        metrics,
        total_macs(method),
        built.delegated[method.name],
        built.lowering.get(method.name),
    )


@torch.no_grad()
def verify_whole(job: Job, program: Program, tolerances: Tolerances, steps: Steps) -> list[Metric]:
    """Compare captions of the held-out photos; a model that writes none has nothing to compare."""
    if job.labels is None:
        return []
    finder = next(method for method in job.methods if method.detector)
    height, width = finder.inputs["image"].shape[2:]
    reference = TorchBackend(job.model, job.labels)
    artifact = ArtifactBackend(
        program,
        model=job.model.name,
        config=reference.config,
        origin=job.model.origin,
        labels=job.labels,
        image_size=(height, width),
        detector_hash="",
    )
    with steps.step("write captions with both"):
        return worst(
            [
                verify_captions(reference, artifact, image, extent, tolerances)
                for image, extent in finder.verification_inputs
            ]
        )


def check_metrics(
    job: Job, reports: Sequence[MethodReport], whole: Sequence[Metric], exporter: Exporter, steps: Steps
) -> None:
    """Refuse an artifact that is not exact enough.

    Raises:
        UserError: With every metric that missed its tolerance, and the layer where a quantized model goes wrong.
    """
    failed = {item.name: [metric for metric in item.metrics if not metric.passed] for item in reports}
    texts = [f"{name}: {metric}" for name, metrics in failed.items() for metric in metrics]
    texts += [str(metric) for metric in whole if not metric.passed]
    if not texts:
        return
    weakest = None
    if job.recipe.precision == "int8":
        with steps.step("look for the layer that goes wrong"):
            suspects = [method for method in job.methods if failed[method.name]]
            found = (weakest_layer(method, exporter.layers(method, job.recipe)) for method in suspects)
            weakest = next((layer for layer in found if layer is not None), None)
    advice = f"; the first layer to go wrong is {weakest}: try --keep-float '{weakest}'" if weakest else ""
    raise UserError(
        f"the artifact of {job.model.name} does not compute what the model computes, and was not kept: "
        + "; ".join(texts)
        + advice
    )


def describe(
    job: Job,
    target: Format,
    built: Built,
    artifact: Path,
    reports: list[MethodReport],
    whole: list[Metric],
    steps: Steps,
) -> Sidecar:
    """Put together the sidecar of a finished artifact, wherever the file and its labels are now."""
    calibration = job.recipe.calibration
    delegate = find_delegate(target, job.recipe.delegate)
    config: Any = job.model.module.config
    images = [method.inputs["image"].shape for method in job.methods if "image" in method.inputs]
    size = (int(images[0][2]), int(images[0][3])) if images else None
    labels = sorted(labels_folder(artifact).iterdir()) if job.labels is not None else []
    return Sidecar(
        model=job.model.name,
        runtime=target.runtime,
        precision=job.recipe.precision,
        weights=job.model.origin,
        methods=reports,
        kept_float=in_float(built.decisions),
        calibration=None
        if calibration is None
        else {
            "samples": len(calibration.samples),
            "photos": list(calibration.photos),
            "skipped": list(calibration.skipped),
            "held_out": list(calibration.held_out),
            "copies": list(calibration.copies),
            "sha256": calibration.sha256,
        },
        proof=whole,
        photo=job.request.photo.name,
        bytes=size_bytes(artifact),
        sha256=sha256(artifact),
        seconds=rounded(steps.seconds),
        versions=tool_versions(*target.packages),
        sizes=sizes_of(config),
        words={file.name: sha256(file) for file in labels},
        feeding=feeding_of(config, size, job.labels),
        quantization=by_rule(built.decisions),
        delegate=delegate.name if delegate else "",
        status=PROVEN if delegate_runs(target, job.recipe.delegate) else LOWERED,
    )
