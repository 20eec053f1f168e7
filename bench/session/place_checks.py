"""Whether what a plan names to run on is there: accelerators of this machine, and Core ML's compute units."""

from bench.devices import THIS_MACHINE
from bench.measure.places import in_software
from bench.measure.plan import Plan
from bench.records.runtimes import PYTORCH_RUNTIMES
from export.core.acceleration import CPU
from export.core.format import Format
from export.core.formats import (
    FORMATS,
    accelerators_here,
    check_accelerator,
    family_of,
    program_class,
    require_runtime,
)
from minivlm.errors import UserError


def check_places(plan: Plan) -> None:
    """Refuse accelerators and compute units that no runtime of a plan has, or that are not on this machine.

    Raises:
        UserError: The first thing that is wrong. A driver in software is, because its times mean nothing.
    """
    if plan.compute_units is not None:
        _check_units(plan)
    named = [name for name in plan.accelerators if name != CPU]
    if plan.device != THIS_MACHINE or not named:
        return
    for name in named:
        if name not in accelerators_here():
            there = " or ".join(f"{one}, by {', '.join(_having(one))}" for one in accelerators_here())
            raise UserError(f"--accelerator {name} is of hosted phones (--device hub): this machine has {there}")
    for runtime in plan.runtimes or []:
        _check_runtime(plan, runtime, named)
    for name in named:
        _check_accelerator(plan, name)


def _check_units(plan: Plan) -> None:
    having = [target for target in FORMATS.values() if target.units]
    asked = [target for target in having if plan.runtimes is None or target.runtime in plan.runtimes]
    if not asked:
        names = ", ".join(target.runtime for target in having)
        raise UserError(
            f"--compute-units goes with --runtimes {names}, not with {', '.join(plan.runtimes or [])}: add that, or "
            "leave the flag out"
        )
    for target in asked:
        check_here(target, plan.device)


def check_here(target: Format, device: str) -> None:
    """Refuse a format whose runtime is not on this machine, where that is to be measured.

    Raises:
        UserError: It is not installed, or runs on other systems.
    """
    if device == THIS_MACHINE:
        require_runtime(target)
        if not target.runs_here:
            raise UserError(f"{target.title} runs on Apple's systems only: measure it on a Mac, or with --device ios")


def _check_runtime(plan: Plan, runtime: str, named: list[str]) -> None:
    """Refuse a runtime that would be measured on nothing that is asked for."""
    target = None if runtime in PYTORCH_RUNTIMES else FORMATS[runtime]
    if CPU in plan.accelerators or (target is not None and any(name in target.accelerators for name in named)):
        return
    chosen = " and its processors are chosen by --compute-units" if target is not None and target.units else ""
    others = dict.fromkeys(other for name in named for other in _having(name))
    title = runtime if target is None else target.name
    raise UserError(
        f"{title} has no accelerator {' or '.join(named)} here{chosen}: leave --accelerator out, or take --runtimes "
        f"{','.join(others)}"
    )


def _check_accelerator(plan: Plan, name: str) -> None:
    """Refuse an accelerator that no runtime has, that does not compute in any of the precisions, or is not there."""
    having = _having(name)
    asked = [runtime for runtime in having if plan.runtimes is None or runtime in plan.runtimes]
    if not asked:
        raise UserError(
            f"--accelerator {name} is of {', '.join(having)}, not of {', '.join(plan.runtimes or [])}: add that to "
            f"--runtimes, or leave {name} out"
        )
    for target in (FORMATS[runtime] for runtime in asked):
        taken = [precision for precision in plan.precisions if precision in target.accelerators[name].precisions]
        if not taken:
            check_accelerator(target, plan.precisions[0], name)
        driver = program_class(target, name).driver()
        if driver.software:
            raise UserError(in_software(target.runtime, name, driver.name, _exporter_flags(plan, taken[0])))


def _having(accelerator: str) -> list[str]:
    """Return the runtimes that have an accelerator."""
    return [target.runtime for target in FORMATS.values() if accelerator in target.accelerators]


def _exporter_flags(plan: Plan, precision: str) -> str:
    """Return the flags by which an exporter makes the first artifact of a plan."""
    model = next(filter(_has_artifact, plan.models), plan.models[0])
    stored = [] if precision == "fp32" else ["--precision", precision]
    return " ".join(["--model", model, *plan.weights.flags(), *stored])


def _has_artifact(model: str) -> bool:
    try:
        family_of(model)
    except UserError:
        return False  # a baseline
    return True
