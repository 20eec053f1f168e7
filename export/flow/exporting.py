"""What all exporters do in the same way: load, run in PyTorch, convert, run in the runtime, verify, describe."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from export.core.exporter import Exporter
from export.core.formats import (
    FORMATS,
    artifact_path,
    delegate_runs,
    exporter_of,
)
from export.core.job import Job, prepare, report_calibration
from export.core.metric import Metric
from export.core.request import ExportRequest
from export.core.sidecar import MethodReport, Sidecar, labels_folder, sidecar_path
from export.flow.accelerating import prove_accelerated, require_accelerator
from export.flow.converting import convert_unjudged, convert_unrun, rounded, run_references
from export.flow.examining import examiner
from export.verify.arithmetic import names_its_layer
from export.verify.layers import weakest_layer
from minivlm.console import Steps
from minivlm.errors import UserError
from minivlm.storage.files import check_output
from minivlm.storage.publishing import publishing


@dataclass(frozen=True)
class ExportResult:
    """Where an export went and what is known about it."""

    artifact: Path
    sidecar: Sidecar


def export_model(request: ExportRequest, steps: Steps) -> ExportResult:
    """Export, verify and describe a model.

    Raises:
        UserError: The model cannot be had or exported, the output cannot be written, or the artifact does not compute
            what the model computes or, where that was asked for, does not do what it does; then no artifact is left
            behind.
    """
    exporter: Exporter = exporter_of(FORMATS[request.runtime])
    require_accelerator(exporter.format, request.accelerator)
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
    if not delegate_runs(target, job.recipe.delegate):
        return convert_unrun(job, exporter, path, steps)
    with steps.step("run it in PyTorch"):
        expected = run_references(job)
    sidecar = convert_unjudged(job, exporter, path, expected, steps)
    check_metrics(job, sidecar.methods, sidecar.proof, exporter, steps)
    accelerators = prove_accelerated(job, expected, target, path, steps)
    if accelerators:
        sidecar = replace(sidecar, accelerators=accelerators, seconds=rounded(steps.seconds))
        sidecar.write(path)
    return sidecar


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
    suspects = [method for method in job.methods if not all(names_its_layer(metric) for metric in failed[method.name])]
    if job.recipe.integers and suspects:
        with steps.step("look for the layer that goes wrong"):
            found = (weakest_layer(method, exporter.layers(method, job.recipe)) for method in suspects)
            weakest = next((layer for layer in found if layer is not None), None)
    advice = f"; the first layer to go wrong is {weakest}: try --keep-float '{weakest}'" if weakest else ""
    raise UserError(
        f"the artifact of {job.model.name} does not compute what the model computes, and was not kept: "
        + "; ".join(texts)
        + advice
    )
