"""From a job to an artifact with its labels and its sidecar, compared with PyTorch where anything here runs it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from export.core.exporter import Built, Exporter
from export.core.feeding import feeding_of
from export.core.format import Format
from export.core.formats import delegate_runs, find_delegate, program_class, title_of
from export.core.job import Job
from export.core.lowering import LOWERED
from export.core.methods import Method, total_macs
from export.core.metric import Metric
from export.core.precision import by_rule, in_float
from export.core.sidecar import PROVEN, MethodReport, Sidecar, labels_folder, tool_versions
from export.flow.accelerating import Results
from export.flow.whole import verify_whole
from export.runtime.program import Program
from export.verify.arithmetic import verify_arithmetic
from export.verify.comparison import compare, run_reference, settle
from export.verify.metrics import worst
from export.verify.pieces import verify_pieces
from export.verify.tolerances import Tolerances, beside_arithmetic, tolerances_of
from minivlm.console import Steps
from minivlm.models.sizes import sizes_of
from minivlm.storage.files import sha256, size_bytes
from minivlm.weights.labels import write_labels


def run_references(job: Job) -> Results:
    """Return what PyTorch computes in every method of all inputs of the verification."""
    return {
        method.name: [run_reference(method, inputs) for inputs in method.verification_inputs] for method in job.methods
    }


def convert_unjudged(job: Job, exporter: Exporter, path: Path, expected: Results, steps: Steps) -> Sidecar:
    """Write an artifact with its labels and its sidecar, which says how exact it is, however little that may be.

    Args:
        job: What to convert.
        exporter: Of the format.
        path: Where to.
        expected: See `run_references`.
        steps: Shows what is done.

    Raises:
        UserError: It cannot be made.
    """
    target, recipe = exporter.format, job.recipe
    built = exporter.build(job.methods, recipe, path, steps)
    random = job.model.origin.random
    tolerances = tolerances_of(target.runtime, recipe.precision, random=random)
    if built.integers is not None and random:
        tolerances = beside_arithmetic(tolerances)
    with steps.step(f"run it in {title_of(target, recipe.delegate)}"):
        program: Program = program_class(target)(path)
        metrics = [verify(method, expected[method.name], program, tolerances) for method in job.methods]
        built = replace(built, lowering=verify_pieces(job.methods, built, tolerances))
    if built.integers is not None:
        with steps.step("do its whole numbers' sums in PyTorch"):
            exact = [verify_arithmetic(method, built.integers(method)) for method in job.methods]
        metrics = [[*found, *sums] for found, sums in zip(metrics, exact, strict=True)]
    whole: list[Metric] = []
    if job.labels is not None:
        with steps.step("write captions with both"):
            whole = verify_whole(job, program, tolerances)
    reports = [report(method, found, program, built) for method, found in zip(job.methods, metrics, strict=True)]
    return described(job, target, built, path, reports, whole, steps)


def convert_unrun(job: Job, exporter: Exporter, path: Path, steps: Steps) -> Sidecar:
    """Write an artifact that nothing here runs, with its labels and its sidecar.

    Raises:
        UserError: It cannot be made.
    """
    built = exporter.build(job.methods, job.recipe, path, steps)
    program: Program = program_class(exporter.format)(path)
    reports = [report(method, [], program, built) for method in job.methods]
    return described(job, exporter.format, built, path, reports, [], steps)


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


def described(
    job: Job,
    target: Format,
    built: Built,
    artifact: Path,
    reports: list[MethodReport],
    whole: list[Metric],
    steps: Steps,
) -> Sidecar:
    """Write the labels and the sidecar of an artifact beside it."""
    labels = labels_folder(artifact)
    if job.labels is not None:
        write_labels(labels, job.labels)
    calibration = job.recipe.calibration
    delegate = find_delegate(target, job.recipe.delegate)
    config: Any = job.model.module.config
    images = [method.inputs["image"].shape for method in job.methods if "image" in method.inputs]
    size = (int(images[0][2]), int(images[0][3])) if images else None
    sidecar = Sidecar(
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
        words={file.name: sha256(file) for file in (sorted(labels.iterdir()) if job.labels is not None else ())},
        feeding=feeding_of(config, size, job.labels),
        quantization=by_rule(built.decisions),
        delegate=delegate.name if delegate else "",
        status=PROVEN if delegate_runs(target, job.recipe.delegate) else LOWERED,
    )
    sidecar.write(artifact)
    return sidecar
