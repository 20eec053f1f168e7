"""What an accelerator made of an artifact, as its runtime tells it and as the sidecar keeps it."""

from collections.abc import Sequence
from dataclasses import dataclass

from export.core.metric import Metric

CPU = "cpu"
"""The accelerator that is none: what every artifact runs on."""


@dataclass(frozen=True)
class Accelerator:
    """What a format has for an accelerator.

    Attributes:
        program: "module:attribute" of the `export.runtime.program.AcceleratedProgram` that runs artifacts on it.
        precisions: Of artifacts that it computes as they are stored.
        computed: In what it can be told to compute, the most exact first.
    """

    program: str
    precisions: tuple[str, ...]
    computed: tuple[str, ...]


@dataclass(frozen=True)
class Adapter:
    """The device behind an accelerator.

    Attributes:
        name: As its driver calls it.
        software: Whether it is a program on the CPU, whose times mean nothing.
    """

    name: str
    software: bool

    def __str__(self) -> str:
        return f"{self.name}, in software" if self.software else self.name


@dataclass(frozen=True)
class DriverFacts:
    """What a system tells of an accelerator's driver before anything is loaded.

    Attributes:
        name: Such as "NVIDIA 550.54"; empty where nothing is told.
        software: Whether it is known to be a program on the CPU, whose times mean nothing.
    """

    name: str = ""
    software: bool = False


@dataclass(frozen=True)
class Placement:
    """Where the work of a method runs.

    Attributes:
        pieces: That the accelerator runs, each in one go.
        macs: Share of the multiply-adds in them.
        refused: Kinds of operators that it does not take and that would be its own otherwise.
    """

    pieces: int
    macs: float
    refused: tuple[str, ...]

    def __str__(self) -> str:
        refused = f", refused: {', '.join(self.refused)}" if self.refused else ""
        return f"{self.macs:.1%} of multiply-adds in {self.pieces} piece{'s' * (self.pieces != 1)}{refused}"


@dataclass(frozen=True)
class AcceleratedMethod:
    """A method on an accelerator.

    Attributes:
        name: Of the method.
        placement: Where its work runs.
        parity: How exact it is, and whether it is placed well.
    """

    name: str
    placement: Placement
    parity: Sequence[Metric]


@dataclass(frozen=True)
class AcceleratorProof:
    """An artifact on an accelerator.

    Attributes:
        accelerator: Such as "gpu".
        computed: In what it computed, such as "fp16".
        adapter: On what.
        methods: Each method.
        whole: How exact all methods together are; empty for an artifact with one.
    """

    accelerator: str
    computed: str
    adapter: Adapter
    methods: Sequence[AcceleratedMethod]
    whole: Sequence[Metric]

    @property
    def failed(self) -> list[str]:
        """What misses its bound, by method."""
        single = [f"{item.name}: {metric}" for item in self.methods for metric in item.parity if not metric.passed]
        return [*single, *(str(metric) for metric in self.whole if not metric.passed)]

    @property
    def lines(self) -> list[str]:
        """What people read of it: where it ran, then a line for each method and for the whole."""
        lines = [f"on {self.accelerator} in {self.computed} ({self.adapter}):"]
        for item in self.methods:
            lines.append(f"  {item.name}: {item.placement}; {', '.join(map(str, item.parity))}")
        if self.whole:
            lines.append(f"  whole: {', '.join(map(str, self.whole))}")
        return lines
