"""What an artifact format is: what it can hold, and which code makes and runs it. Data, nothing else."""

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from export.core.acceleration import Accelerator

PRECISIONS = ("fp32", "fp16", "int8", "int4")
INTEGERS = ("int8", "int4")
"""Precisions in which layers compute with whole numbers: a detector's, in ranges measured on photos."""


class Family(StrEnum):
    """What kind of model an artifact holds."""

    DETECTOR = "detector"
    TRANSFORMER = "transformer"
    WHOLE = "whole"


def by_family(precisions: Sequence[str]) -> Mapping[Family, tuple[str, ...]]:
    """Return what a format can hold of each family: all of it, but of a detector no int4, which would be its int8."""
    of_detectors = tuple(name for name in precisions if name != "int4")
    return {family: of_detectors if family is Family.DETECTOR else tuple(precisions) for family in Family}


@dataclass(frozen=True, kw_only=True)
class Delegate:
    """Kernels, mostly of an accelerator, that an artifact of some format can be lowered to.

    Attributes:
        name: In flags, file names and sidecars.
        title: For people.
        precisions: What can be lowered to it, by family.
        imports: Modules that lowering needs beside the format's own tools.
        extra: Optional dependencies of this project that bring them; "" where the format's own do.
        backend: As the format's runtime names it.
        runs: "module:attribute" of a function that tells of a backend whether this machine can run it, by the runtime
            or by a reference executor.
    """

    name: str
    title: str
    precisions: Mapping[Family, tuple[str, ...]]
    backend: str
    runs: str
    imports: tuple[str, ...] = ()
    extra: str = ""


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
        script: Path, from the project's folder, of its own command; "" where `python -m export` is all there is.
        system: What `platform.system` must say for the runtime to be there, empty if any will do. Elsewhere a reference
            executor verifies artifacts, and its time means nothing.
        accelerators: By name, what artifacts can run on besides the CPU.
        delegates: What its artifacts can be lowered to, the default first; empty where there is no choice.
        refused_delegates: By the name of one that nothing is lowered to, "module:attribute" of a function that returns
            why, and what is missing on this machine.
        units: Sets of processors that its runtime can be told to choose from, the default first; empty where it cannot.
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
    script: str = ""
    system: str = ""
    accelerators: Mapping[str, Accelerator] = field(default_factory=dict)
    delegates: tuple[Delegate, ...] = ()
    refused_delegates: Mapping[str, str] = field(default_factory=dict)
    units: tuple[str, ...] = ()

    @property
    def runs_here(self) -> bool:
        """Whether the runtime itself, and no stand-in for it, runs on this system."""
        return self.system in ("", platform.system())

    @property
    def name(self) -> str:
        """For people, the format without the kernels that it takes by default."""
        return self.title.partition(" with ")[0]

    @property
    def command(self) -> str:
        """How this format's exporter is called."""
        return f"python {self.script}" if self.script else f"python -m export {self.runtime}"

    def suffix_of(self, family: Family) -> str:
        """Return the suffix of an artifact that holds such a model."""
        return self.whole_suffix if family is Family.WHOLE else self.suffix
