"""Verify artifacts on ARM kernels without a phone: run them in an emulated arm64 machine and compare what they compute.

    python bench/arm64.py
    python bench/arm64.py --models minivlm --precision int8 --runtimes litert
    python bench/arm64.py --precision fp16 --runtimes executorch,onnx

The first use sets the machine up in a cache folder (Debian or Ubuntu, about 130 MB of downloads, no root); that of
ExecuTorch adds 445 MB. Outputs are compared with PyTorch's, within the tolerances that the artifact was exported with,
and with those of the same file on this machine's own kernels. At fp16, the script also says in what numbers are added
up. Times under emulation say nothing about a phone, so there are none. Exit code 1 says that an artifact failed.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from rich.table import Table
from torch import Tensor

from bench.emulation.arithmetic import Arithmetic, find_arithmetic, told
from bench.emulation.machine import Machine, ready_machine
from bench.emulation.running import Calls, run_emulated
from bench.reporting.cells import wide_console
from export.core.flags import add_precision_flag, add_runtimes_flag
from export.core.formats import FORMATS, check_precision, exporter_of, require_tools
from export.core.identity import find_artifact
from export.core.interface import prepared
from export.core.job import Job, prepare
from export.core.metric import Metric
from export.core.request import ExportRequest
from export.core.sidecar import Sidecar
from export.core.weights import add_models_flag, add_weights_flags, read_weights
from export.flow.exporting import export_model
from export.runtime.program import Program, open_program
from export.verify.comparison import compare, run_reference, settle
from export.verify.metrics import worst
from export.verify.tolerances import tolerances_for, tolerances_of
from minivlm.command_line import path_argument, script_parser
from minivlm.console import Steps
from minivlm.errors import UserError, run_command
from minivlm.images.photos import default_photo
from minivlm.storage.files import check_outputs, exists, write_text
from minivlm.storage.json_text import json_text

MODELS = ("tee-0", "minilm")
RUNTIMES = ("litert", "onnx")
"""Those that run without being asked for: ExecuTorch needs PyTorch in the machine, 445 MB more."""
KNOWN = ("executorch", *RUNTIMES)
ADDS_HALF = "litert gpu"
"""Whose tolerances at fp16 were measured where sums are made in float16. All others are of x86, in float32."""
CACHE = Path.home() / ".cache/minivlm/arm64"


@dataclass(frozen=True)
class Verification:
    """What became of an artifact.

    Attributes:
        artifact: File name.
        metrics: "method against what" -> its comparison.
        error: Why it did not run, in one line; empty if it did.
    """

    artifact: str
    metrics: dict[str, list[Metric]]
    error: str = ""

    @property
    def proven(self) -> bool:
        """Whether it ran and every metric keeps its tolerance."""
        return not self.error and all(metric.passed for metrics in self.metrics.values() for metric in metrics)


def verify_asked(
    machine: Machine, request: ExportRequest, arithmetic: Mapping[str, Arithmetic], steps: Steps
) -> Verification:
    """Verify an artifact, exported now if it is not there; one that cannot be exported does not end the others."""
    path = find_artifact(request)
    if not exists(path):
        steps.say(f"{path} is not there yet; exporting it")
        try:
            export_model(replace(request, artifact=path), Steps())
        except UserError as error:
            return Verification(path.name, {}, str(error))
    rules = exporter_of(FORMATS[request.runtime]).rules[request.precision]
    half = request.precision == "fp16" and arithmetic[request.runtime].half
    return prove(machine, path, prepare(request, rules), steps, half=half)


def prove(machine: Machine, artifact: Path, job: Job, steps: Steps, *, half: bool = False) -> Verification:
    """Compare an artifact on ARM kernels with PyTorch and with itself on this machine's.

    Args:
        machine: With the ARM kernels.
        artifact: File or folder.
        job: That it was exported by.
        steps: Show what is done.
        half: Whether ARM kernels add up in float16, and have the tolerances of others that do.
    """
    sidecar = Sidecar.read(artifact)
    random = sidecar.weights.random
    tolerances = tolerances_of(ADDS_HALF, "fp16", random=random) if half else tolerances_for(sidecar)
    calls: Calls = [(method.name, inputs) for method in job.methods for inputs in method.verification_inputs]
    with steps.step(f"run {artifact.name} here"):
        program: Program = open_program(artifact)
        here = [program.run(*call) for call in calls]
    try:
        with steps.step("run it on ARM kernels, emulated"):
            taken = [(name, tuple(prepared(name, inputs, program.interface(name).inputs))) for name, inputs in calls]
            emulated = run_emulated(machine, artifact, sidecar.runtime, taken)
    except UserError as error:
        return Verification(artifact.name, {}, str(error))
    metrics: dict[str, list[Metric]] = {}
    for method in job.methods:
        rows = [number for number, (name, _) in enumerate(calls) if name == method.name]
        given = [_typed(emulated[row], here[row]) for row in rows]
        expected = [
            settle(method, calls[row][1], run_reference(method, calls[row][1]), one)
            for row, one in zip(rows, given, strict=True)
        ]
        metrics[f"{method.name} against PyTorch"] = worst(
            [compare(method, *pair, tolerances) for pair in zip(expected, given, strict=True)]
        )
        metrics[f"{method.name} against this machine"] = worst(
            [compare(method, here[row], one, tolerances) for row, one in zip(rows, given, strict=True)]
        )
    return Verification(artifact.name, metrics)


def _typed(given: Sequence[Tensor], like: Sequence[Tensor]) -> tuple[Tensor, ...]:
    return tuple(tensor.to(other.dtype) for tensor, other in zip(given, like, strict=True))


def verification_table(verifications: Sequence[Verification]) -> Table:
    """Return a line for each comparison."""
    table = Table("artifact", "verdict", "compared", "metrics", box=None, pad_edge=False)
    for verification in verifications:
        verdict = "proven" if verification.proven else "FAILED"
        if verification.error:
            table.add_row(verification.artifact, verdict, "", verification.error)
        for place, (name, metrics) in enumerate(verification.metrics.items()):
            shown = ", ".join(str(metric) for metric in metrics)
            table.add_row("" if place else verification.artifact, "" if place else verdict, name, shown)
    return table


def arithmetic_lines(found: Sequence[Arithmetic]) -> list[str]:
    """Say of each runtime in what its operators add up float16 numbers."""
    lines = []
    for one in found:
        if one.error:
            lines.append(f"{one.runtime}: {one.error}")
        for name, emulated in one.emulated.items():
            lines.append(f"{one.runtime} {name}: sums in {told(emulated)} on ARM, in {told(one.here[name])} here")
    return lines


def as_json(verifications: Sequence[Verification], arithmetic: Sequence[Arithmetic], machine: Machine) -> str:
    """Return everything as JSON."""
    rows = [
        {
            "artifact": verification.artifact,
            "proven": verification.proven,
            "error": verification.error,
            "figures": {
                name: {metric.name: {"value": metric.value, "passed": metric.passed} for metric in metrics}
                for name, metrics in verification.metrics.items()
            },
        }
        for verification in verifications
    ]
    sums = [asdict(one) for one in arithmetic]
    return json_text({"versions": dict(machine.versions), "proofs": rows, "sums": sums}) + "\n"


def requests(arguments: argparse.Namespace) -> list[ExportRequest]:
    """Return one request for every artifact that the command line names.

    Raises:
        UserError: An unknown name, or a case that no format holds.
    """
    found = []
    weights = read_weights(arguments.checkpoint, arguments.seed)
    models = weights.models(arguments.models, MODELS)
    for model in models:
        weights.describe(model)
    for runtime in arguments.runtimes:
        require_tools(FORMATS[runtime])
        for model in models:
            for precision in arguments.precision:
                check_precision(FORMATS[runtime], model, precision)
                found.append(
                    ExportRequest(
                        runtime,
                        model,
                        precision,
                        checkpoint=weights.checkpoint,
                        image_size=None,
                        output=arguments.artifacts,
                        photo=default_photo(),
                        seed=weights.seed,
                    )
                )
    return found


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = script_parser(__doc__)
    add = parser.add_argument
    add_models_flag(parser, MODELS)
    add_weights_flags(parser)
    add_runtimes_flag(parser, KNOWN, default=RUNTIMES)
    add_precision_flag(parser, ["fp32", "int8"])
    add(
        "--artifacts",
        type=path_argument,
        default=Path("artifacts"),
        metavar="DIR",
        help="missing ones are exported there",
    )
    add(
        "--cache",
        type=path_argument,
        default=CACHE,
        metavar="DIR",
        help="of the emulated machine (default: %(default)s)",
    )
    add("--json", type=path_argument, metavar="FILE", help="write every metric")
    arguments = parser.parse_args(argv)
    asked = requests(arguments)
    if arguments.json is not None:
        folders = [arguments.artifacts, arguments.cache]
        if arguments.checkpoint is not None:
            folders.append(Path(arguments.checkpoint))
        check_outputs([arguments.json], folders)
    steps = Steps()
    machine = ready_machine(arguments.cache, steps, with_executorch="executorch" in arguments.runtimes)
    halves = {request.runtime for request in asked if request.precision == "fp16"}
    arithmetic = {runtime: find_arithmetic(machine, runtime, steps) for runtime in sorted(halves)}
    verifications = [verify_asked(machine, request, arithmetic, steps) for request in asked]
    wide_console().print(verification_table(verifications))
    for line in arithmetic_lines(list(arithmetic.values())):
        wide_console().print(line)
    if arguments.json is not None:
        write_text(arguments.json, as_json(verifications, list(arithmetic.values()), machine))
    if not all(verification.proven for verification in verifications):
        sys.exit(1)


if __name__ == "__main__":
    run_command(main)
