"""On what of a machine an artifact is measured: the CPU, an accelerator, or the processors that it may choose from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.measure.plan import Plan
from bench.records.accelerated import Accelerated
from bench.records.record import Case
from export.core.acceleration import CPU
from export.core.formats import FORMATS
from export.runtime.program import Program, load_accelerated, load_on_units, load_program
from minivlm.errors import UserError


def places_for(plan: Plan, runtime: str, precision: str) -> list[str]:
    """Return on what a runtime runs a model in a precision, of what a plan asks for; "" is the CPU."""
    target = FORMATS.get(runtime)
    if target is not None and target.units:
        return list(plan.compute_units or target.units[:1])
    known = {} if target is None else target.accelerators
    taken = [name for name in plan.accelerators if name in known and precision in known[name].precisions]
    return ["" if name == CPU else name for name in plan.accelerators if name == CPU or name in taken]


@dataclass(frozen=True)
class InPlace:
    """An artifact that is loaded on what its case says.

    Attributes:
        program: The artifact.
        check: Refuses what would be measured in vain, once methods are loaded.
        describe: Takes the names of methods, and returns what the accelerator has of them.
    """

    program: Program
    check: Callable[[], None] = lambda: None
    describe: Callable[[Sequence[str]], Accelerated | None] = lambda names: None


def load_in_place(artifact: Path, case: Case) -> InPlace:
    """Load an artifact, known to be what its sidecar describes, on what its case says.

    Raises:
        UserError: It cannot be loaded, or the accelerator is not there.
    """
    if FORMATS[case.runtime].units:
        return _on_units(artifact, case)
    return _on_accelerator(artifact, case) if case.accelerator else InPlace(load_program(artifact, case.threads))


def _on_units(artifact: Path, case: Case) -> InPlace:
    program = load_on_units(artifact, case.accelerator, case.threads)

    def describe(names: Sequence[str]) -> Accelerated | None:
        planned = {name: program.planned(name) for name in names}
        return Accelerated(planned=planned) if any(planned.values()) else None

    return InPlace(program, describe=describe)


def _on_accelerator(artifact: Path, case: Case) -> InPlace:
    program = load_accelerated(artifact, case.precision, case.accelerator, case.threads)

    def check() -> None:
        if program.adapter.software:
            raise UserError(in_software(case.runtime, case.accelerator, program.adapter.name, f"--model {case.model}"))

    def describe(names: Sequence[str]) -> Accelerated:
        placements = {name: program.placement(name) for name in names}
        return Accelerated(
            adapter=program.adapter.name,
            driver=program.driver().name,
            computed=program.computed,
            pieces={name: placement.pieces for name, placement in placements.items()},
            macs={name: placement.macs for name, placement in placements.items()},
        )

    return InPlace(program, check, describe)


def in_software(runtime: str, accelerator: str, name: str, flags: str) -> str:
    """Return why nothing is measured by a driver that computes on the CPU, and what to do instead.

    Args:
        runtime: Of the artifact.
        accelerator: That was asked for.
        name: Of the driver or its device.
        flags: Of the exporter, for the model.
    """
    target = FORMATS[runtime]
    return (
        f"the only driver for {target.title}'s {accelerator} here is software ({name}), and its times mean nothing: "
        f"verify the artifact by {target.command} {flags} --accelerator {accelerator}, and measure where there is a GPU"
    )
