"""Which artifact formats there are, what each can hold, and which code makes and runs it: data, nothing else."""

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from pkgutil import resolve_name
from types import MappingProxyType
from typing import Any

from minivlm.errors import UserError, closest
from minivlm.language.transformer import TransformerConfig
from minivlm.models.registry import get_config
from minivlm.models.vision_language import VisionLanguageConfig
from minivlm.vision.tee import TEEConfig

PRECISIONS = ("fp32", "fp16", "int8")


class Family(StrEnum):
    """What kind of model an artifact holds."""

    DETECTOR = "detector"
    TRANSFORMER = "transformer"
    WHOLE = "whole"


@dataclass(frozen=True, kw_only=True)
class Format:
    """One artifact format and its runtime.

    Attributes:
        runtime: In file names, records and flags.
        title: For people.
        suffix: Of an artifact with one method.
        whole_suffix: Of an artifact with several.
        precisions: What can be exported, by family.
        exporter: "module:attribute" of the `export.core.exporter.Exporter` that writes it.
        program: "module:attribute" of the `export.runtime.program.Program` that runs it.
        extra: Optional dependencies of this project that bring the tools; "" where every installation has them.
        imports: Modules that the tools are imported as.
        packages: Whose versions the sidecar names.
        bindings: Modules that its runtime can be imported as, any one of them; empty where `imports` has it.
        system: What `platform.system` must say for the runtime to be there, empty if any will do. Elsewhere a reference
            executor proves artifacts, and its time means nothing.
    """

    runtime: str
    title: str
    suffix: str
    whole_suffix: str
    precisions: Mapping[Family, tuple[str, ...]]
    exporter: str
    program: str
    extra: str
    imports: tuple[str, ...]
    packages: tuple[str, ...]
    bindings: tuple[str, ...] = ()
    system: str = ""

    @property
    def runs_here(self) -> bool:
        """Whether the runtime itself, and no stand-in for it, runs on this system."""
        return self.system in ("", platform.system())

    @property
    def command(self) -> str:
        """How this format's exporter is called."""
        return f"python {self.exporter.partition(':')[0].replace('.', '/')}.py"

    def suffix_of(self, family: Family) -> str:
        """Return the suffix of an artifact that holds such a model."""
        return self.whole_suffix if family is Family.WHOLE else self.suffix


FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        "executorch": Format(
            runtime="executorch",
            title="ExecuTorch with XNNPACK",
            suffix="pte",
            whole_suffix="pte",
            precisions=dict.fromkeys(Family, ("fp32", "int8")),
            exporter="export.to_executorch:ExecuTorchExporter",
            program="export.backends.executorch.program:ExecuTorchProgram",
            extra="",
            imports=("executorch",),
            packages=("torch", "executorch", "timm", "torchao"),
            bindings=("executorch.runtime",),
        ),
        "onnx": Format(
            runtime="onnx",
            title="ONNX Runtime",
            suffix="onnx",
            whole_suffix="onnxpackage",
            precisions=dict.fromkeys(Family, ("fp32", "int8")),
            exporter="export.to_onnx:OnnxExporter",
            program="export.backends.onnx.program:OnnxProgram",
            extra="onnx",
            imports=("onnx", "onnxruntime", "onnxscript"),
            packages=("torch", "onnx", "onnxruntime", "onnxscript", "timm"),
            bindings=("onnxruntime",),
        ),
        "litert": Format(
            runtime="litert",
            title="LiteRT",
            suffix="tflite",
            whole_suffix="tflite",
            precisions=dict.fromkeys(Family, PRECISIONS),
            exporter="export.to_tflite:LiteRTExporter",
            program="export.backends.litert.program:LiteRTProgram",
            extra="litert",
            imports=("litert_torch", "ai_edge_litert", "ai_edge_quantizer"),
            packages=("torch", "litert-torch", "ai-edge-litert", "ai-edge-quantizer", "timm"),
            bindings=("ai_edge_litert.interpreter", "tflite_runtime.interpreter"),
        ),
        "coreml": Format(
            runtime="coreml",
            title="Core ML",
            suffix="mlpackage",
            whole_suffix="mlpackage",
            precisions=dict.fromkeys(Family, PRECISIONS),
            exporter="export.to_coreml:CoreMLExporter",
            program="export.backends.coreml.program:CoreMLProgram",
            extra="coreml",
            imports=("coremltools",),
            packages=("torch", "coremltools", "timm"),
            system="Darwin",
        ),
    }
)
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


def artifact_path(folder: Path, model: str, target: Format, precision: str) -> Path:
    """Return where an artifact is kept: {model}-{runtime}-{precision}.{suffix}."""
    return folder / f"{model}-{target.runtime}-{precision}.{target.suffix_of(family_of(model))}"


def check_precision(target: Format, model: str, precision: str) -> None:
    """Refuse what a format cannot hold, naming those that can.

    Raises:
        UserError: The precision is unknown, or not supported for this model.
    """
    if precision not in PRECISIONS:
        raise UserError(f"unknown precision {precision!r}: {closest(precision, list(PRECISIONS))}")
    family = family_of(model)
    supported = target.precisions.get(family, ())
    if precision not in supported:
        others = [found.title for found in FORMATS.values() if precision in found.precisions.get(family, ())]
        ways = [" or ".join(supported)] if supported else []
        ways += [f"{' or '.join(others)} for {precision}"] if others else []
        raise UserError(f"{target.title} takes no {precision} {family} such as {model}: choose {', or '.join(ways)}")


def support_table() -> str:
    """Return, as text, which precisions of which models each format can hold."""
    heading = f"  {'format':<28}" + "".join(f"{family:<18}" for family in Family)
    rows = [
        f"  {found.title:<28}" + "".join(f"{' '.join(found.precisions.get(family, ())):<18}" for family in Family)
        for found in FORMATS.values()
    ]
    return "\n".join(line.rstrip() for line in [heading, *rows])


def require_tools(target: Format) -> None:
    """Refuse a format whose tools are not installed.

    Raises:
        UserError: Naming what to install.
    """
    missing = [name for name in target.imports if find_spec(name) is None]
    if missing:
        raise UserError(
            f"{target.title} needs {', '.join(missing)}, not installed here: pip install -e '.[{target.extra}]'"
        )


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


def program_class(target: Format) -> Any:
    """Return a format's `export.runtime.program.Program`, a class that takes a path and a number of threads.

    Raises:
        UserError: Its runtime is not installed.
    """
    require_runtime(target)
    return resolve_name(target.program)
