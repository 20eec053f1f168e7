"""The verification of an artifact on an accelerator: the same comparisons as on the CPU, and where its work runs."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from export.core.acceleration import CPU, AcceleratedMethod, AcceleratorProof
from export.core.format import Format
from export.core.formats import program_class
from export.core.job import Job
from export.core.methods import Method
from export.core.metric import Metric
from export.flow.whole import verify_whole
from export.runtime.program import AcceleratedProgram
from export.verify.comparison import compare, settle
from export.verify.metrics import worst
from export.verify.tolerances import LEAST_ACCELERATED_MACS, MOST_PIECES, Tolerances, tolerances_of
from minivlm.console import Steps
from minivlm.errors import UserError

Results = Mapping[str, Sequence[tuple[Tensor, ...]]]
"""By method, what it gives for each of its verification inputs."""


def require_accelerator(target: Format, accelerator: str) -> None:
    """Refuse a machine without an accelerator, before anything is converted.

    Raises:
        UserError: Saying how to get it.
    """
    if accelerator != CPU:
        program_class(target, accelerator).require()


def prove_accelerated(job: Job, expected: Results, target: Format, path: Path, steps: Steps) -> list[AcceleratorProof]:
    """Run an artifact on the accelerator of its request, in all that this can compute in.

    Args:
        job: What was exported.
        expected: PyTorch's results.
        target: Format of the artifact.
        path: Of the artifact.
        steps: Shows what is done.

    Returns:
        A proof for each number format, the most exact first; none for the CPU alone.

    Raises:
        UserError: The accelerator does not take the artifact, is not what it should be, or computes something else.
    """
    accelerator = job.request.accelerator
    if accelerator == CPU:
        return []
    proofs: list[AcceleratorProof] = []
    before: Results = {}
    for computed in target.accelerators[accelerator].computed:
        with steps.step(f"run it on {target.title}'s {accelerator} in {computed}"):
            program: AcceleratedProgram = program_class(target, accelerator)(path, computed=computed)
            given = {
                method.name: [program.run(method.name, inputs) for inputs in method.verification_inputs]
                for method in job.methods
            }
            if before and same(before, given):
                raise UserError(
                    f"{program.adapter} computes in {proofs[-1].computed} where it is told {computed}, without a word:"
                    " take another driver"
                )
            before = given
            stored = "fp16" if "fp16" in (job.recipe.precision, computed) else computed
            tolerances = tolerances_of(f"{target.runtime} {accelerator}", stored, random=job.model.origin.random)
            methods = [_judged(method, expected[method.name], given, program, tolerances) for method in job.methods]
            whole = verify_whole(job, program, tolerances)
        proofs.append(AcceleratorProof(accelerator, computed, program.adapter, methods, whole))
    _check(job, proofs)
    return proofs


def same(first: Results, second: Results) -> bool:
    """Whether two runs gave the same, bit by bit."""
    runs = [pair for name in first for pair in zip(first[name], second[name], strict=True)]
    return all(torch.equal(*pair) for run in runs for pair in zip(*run, strict=True))


def _judged(
    method: Method,
    expected: Sequence[tuple[Tensor, ...]],
    given: Results,
    program: AcceleratedProgram,
    tolerances: Tolerances,
) -> AcceleratedMethod:
    placement = program.placement(method.name)
    runs = zip(method.verification_inputs, expected, given[method.name], strict=True)
    metrics = worst([compare(method, settle(method, *run), run[2], tolerances) for run in runs])
    placed = [
        Metric("share of multiply-adds", placement.macs, LEAST_ACCELERATED_MACS),
        Metric("pieces", placement.pieces, MOST_PIECES, at_least=False),
    ]
    return AcceleratedMethod(method.name, placement, [*placed, *metrics])


def _check(job: Job, proofs: Sequence[AcceleratorProof]) -> None:
    """Refuse an artifact that an accelerator does not run well enough.

    Raises:
        UserError: With every metric that missed its tolerance.
    """
    failed = [f"in {proof.computed} {text}" for proof in proofs for text in proof.failed]
    if failed:
        raise UserError(
            f"the artifact of {job.model.name} does not compute on {proofs[0].accelerator} ({proofs[0].adapter}) what "
            f"the model computes, and was not kept: {'; '.join(failed)}"
        )
