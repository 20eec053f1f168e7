"""The table of formats, and what is asked of it."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from pkgutil import resolve_name
from types import MappingProxyType
from typing import Any

from export.core.acceleration import CPU
from export.core.format import PRECISIONS, Delegate, Family, Format
from export.core.precision import GROUP
from minivlm.errors import UserError, closest, unknown
from minivlm.language.transformer import TransformerConfig
from minivlm.models.registry import get_config
from minivlm.models.vision_language import VisionLanguageConfig
from minivlm.vision.tee_config import TEEConfig

BACKENDS = (
    "executorch",
    "onnx",
    "litert",
    "coreml",
)
"""The folders of `export/backends`, each of which has its `FORMAT` in `format.py`."""


def _formats() -> dict[str, Format]:
    found = [resolve_name(f"export.backends.{name}.format:FORMAT") for name in BACKENDS]
    return {target.runtime: target for target in found}


FORMATS: Mapping[str, Format] = MappingProxyType(_formats())
"""By runtime."""


def format_of(artifact: Path) -> Format:
    """Return the format that a file's suffix announces.

    Raises:
        UserError: No format has it.
    """
    suffix = artifact.suffix.removeprefix(".")
    for found in FORMATS.values():
        if suffix in (found.suffix, found.whole_suffix):
            return found
    known = sorted({f".{name}" for found in FORMATS.values() for name in (found.suffix, found.whole_suffix)})
    raise UserError(f"no runtime for {artifact}: artifacts end in {', '.join(known)}")


def family_of(model: str) -> Family:
    """Return what kind of artifact a model becomes.

    Raises:
        UserError: No such model, or a baseline that is not meant for devices.
    """
    match get_config(model):
        case TEEConfig():
            return Family.DETECTOR
        case TransformerConfig():
            return Family.TRANSFORMER
        case VisionLanguageConfig(vision=TEEConfig()):
            return Family.WHOLE
    raise UserError(
        f"{model} is a baseline for comparison and has no artifact: export tee-0..3, minivlm or a transformer"
    )


def find_delegate(target: Format, name: str) -> Delegate | None:
    """Return what a format's artifact is lowered to.

    Args:
        target: The format.
        name: Of a delegate; "" takes the default.

    Returns:
        None where there is no choice.

    Raises:
        UserError: The format has no such delegate.
    """
    if not name:
        return target.delegates[0] if target.delegates else None
    for found in target.delegates:
        if found.name == name:
            return found
    raise UserError(unknown("delegate", name, [found.name for found in target.delegates]))


def runtime_name(target: Format, delegate: str = "") -> str:
    """Return a runtime's name with the delegate, where that is not the default: "executorch-coreml"."""
    named = delegate and find_delegate(target, delegate) is not target.delegates[0]
    return f"{target.runtime}-{delegate}" if named else target.runtime


def title_of(target: Format, delegate: str = "") -> str:
    """Return for people what computes: the format's title, or the delegate's."""
    chosen = find_delegate(target, delegate)
    return target.title if chosen is None else chosen.title


def artifact_path(folder: Path, model: str, target: Format, precision: str, delegate: str = "") -> Path:
    """Return where an artifact is kept: {model}-{runtime}-{precision}.{suffix}, see `runtime_name`."""
    return folder / f"{model}-{runtime_name(target, delegate)}-{precision}.{target.suffix_of(family_of(model))}"


def check_precision(target: Format, model: str, precision: str, delegate: str = "") -> None:
    """Refuse what a format, or the delegate in it, cannot hold, naming those that can.

    Raises:
        UserError: The precision is unknown, or not supported for this model; or the format has no such delegate.
    """
    if precision not in PRECISIONS:
        raise UserError(f"unknown precision {precision!r}: {closest(precision, list(PRECISIONS))}")
    family = family_of(model)
    chosen = find_delegate(target, delegate)
    if chosen is not None and chosen is not target.delegates[0]:
        check_delegate(target, chosen, model, precision)
        return
    supported = target.precisions.get(family, ())
    if precision not in supported:
        others = [found.title for found in FORMATS.values() if precision in found.precisions.get(family, ())]
        ways = [" or ".join(supported)] if supported else []
        ways += [f"{' or '.join(others)} for {precision}"] if others else []
        raise UserError(f"{target.title} takes no {precision} {family} such as {model}: choose {', or '.join(ways)}")
    if precision == "int4":
        _check_groups(model)


def _check_groups(model: str) -> None:
    """Refuse a transformer whose matrices do not divide into groups of 4-bit weights.

    Raises:
        UserError: Saying how wide it is.
    """
    config = get_config(model)
    language = config.language if isinstance(config, VisionLanguageConfig) else config
    if isinstance(language, TransformerConfig):
        for width in (language.hidden, language.intermediate):
            if width % GROUP:
                raise UserError(f"int4 has groups of {GROUP} weights, and rows of {model} have {width}: choose int8")


def check_delegate(target: Format, delegate: Delegate, model: str, precision: str) -> None:
    """Refuse a precision that a delegate does not compute in.

    Raises:
        UserError: Naming those that it computes in, and what else of the format takes the precision.
    """
    family = family_of(model)
    supported = delegate.precisions.get(family, ())
    if precision in supported:
        return
    others = [one.name for one in target.delegates if precision in one.precisions.get(family, ())]
    ways = [" or ".join(supported)] if supported else []
    ways += [f"--delegate {' or '.join(others)} for {precision}"] if others else []
    raise UserError(f"{delegate.title} takes no {precision} {family} such as {model}: choose {', '.join(ways)}")


def support_table() -> str:
    """Return, as text, which precisions of which models each format can hold, and delegates and accelerators take."""
    heading = f"  {'format':<28}" + "".join(f"{family:<18}" for family in Family)
    rows = [
        f"  {title:<28}" + "".join(f"{' '.join(precisions.get(family, ())):<18}" for family in Family)
        for title, precisions in support()
    ]
    return "\n".join(line.rstrip() for line in [heading, *rows])


def support() -> Iterator[tuple[str, Mapping[Family, tuple[str, ...]]]]:
    """Yield the title of each format, each delegate and each accelerator, and which precisions it takes by family."""
    for target in FORMATS.values():
        yield target.title, target.precisions
        yield from ((delegate.title, delegate.precisions) for delegate in target.delegates[1:])
        for name, accelerator in target.accelerators.items():
            yield (
                f"{target.name} on {name}",
                {
                    family: tuple(one for one in held if one in accelerator.precisions)
                    for family, held in target.precisions.items()
                },
            )


def require_tools(target: Format, delegate: str = "") -> None:
    """Refuse a format, or a delegate of it, whose tools are not installed.

    Raises:
        UserError: Naming what to install, or the format has no such delegate.
    """
    chosen = find_delegate(target, delegate)
    takers: list[Format | Delegate] = [target] if chosen is None else [target, chosen]
    for taker in takers:
        missing = [name for name in taker.imports if find_spec(name) is None]
        if missing:
            raise UserError(
                f"{taker.title} needs {', '.join(missing)}, not installed here: pip install -e '.[{taker.extra}]'"
            )


def delegate_runs(target: Format, delegate: str) -> bool:
    """Tell whether this machine can run what a delegate takes; True where there is no choice of delegates."""
    chosen = find_delegate(target, delegate)
    return chosen is None or bool(resolve_name(chosen.runs)(chosen.backend))


def require_runtime(target: Format) -> list[str]:
    """Return the modules, of a format's bindings, that are installed.

    Raises:
        UserError: None is, naming what to install.
    """
    found = [name for name in target.bindings if find_spec(name.partition(".")[0]) is not None]
    if not found:
        require_tools(target)
    return found


def import_runtime(target: Format) -> None:
    """Import a format's runtime, which can take seconds.

    Raises:
        UserError: It is not installed.
    """
    for name in require_runtime(target)[:1]:
        import_module(name)


def exporter_of(target: Format) -> Any:
    """Return a format's `export.core.exporter.Exporter`.

    Raises:
        UserError: Its tools are not installed.
    """
    require_tools(target)
    return resolve_name(target.exporter)()


def program_class(target: Format, accelerator: str = CPU) -> Any:
    """Return a format's `export.runtime.program.Program`, a class that takes a path and a number of threads.

    Args:
        target: The format.
        accelerator: That it runs on, known to go with the format; see `check_accelerator`.

    Raises:
        UserError: Its runtime is not installed.
    """
    require_runtime(target)
    return resolve_name(target.program if accelerator == CPU else target.accelerators[accelerator].program)


def accelerators_here() -> list[str]:
    """Return the names of all formats' accelerators, the CPU not among them."""
    return list(dict.fromkeys(name for found in FORMATS.values() for name in found.accelerators))


def check_accelerator(target: Format, precision: str, accelerator: str) -> None:
    """Refuse an accelerator that does not go with a format, or with what its artifacts are stored in.

    Raises:
        UserError: It is unknown, or does not; naming what does.
    """
    known = [CPU, *accelerators_here()]
    if accelerator not in known:
        raise UserError(unknown("accelerator", accelerator, known))
    if accelerator == CPU:
        return
    if accelerator not in target.accelerators:
        others = [f"{found.name} ({found.command})" for found in FORMATS.values() if accelerator in found.accelerators]
        raise UserError(
            f"{target.name} has no accelerator {accelerator} here: leave it out, or take {' or '.join(others)}"
        )
    taken = target.accelerators[accelerator].precisions
    if precision not in taken:
        raise UserError(
            f"{target.name}'s {accelerator} would compute {precision} in float: take an artifact in "
            + " or ".join(taken)
        )
