"""What a format's exporter is, and what it tells."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

from torch import Tensor

from export.core.format import Format
from export.core.integers import Integers
from export.core.lowering import Lowering
from export.core.methods import Method
from export.core.precision import Decision, Rule
from export.core.recipe import Recipe
from minivlm.console import Steps


class LayerOutput(NamedTuple):
    """What a layer of an exact and of a quantized model computes on the same inputs of the method.

    Attributes:
        layer: Dotted name.
        exact: Any shape, float.
        quantized: The same shape, as the numbers that its integers stand for; all errors before it are in it.
    """

    layer: str
    exact: Tensor
    quantized: Tensor


class PieceOutput(NamedTuple):
    """What one piece of an artifact computes beside the graph that it was made of, on the same inputs.

    Attributes:
        expected: In PyTorch.
        given: By what runs the piece.
    """

    expected: tuple[Tensor, ...]
    given: tuple[Tensor, ...]


def no_pieces(method: Method) -> list[PieceOutput]:
    """Return what there is to compare where an artifact is one piece."""
    return []


@dataclass(frozen=True)
class Built:
    """What a converter tells about the artifact it wrote.

    Attributes:
        delegated: By method, the share of its multiply-adds that accelerated kernels run.
        decisions: What was decided about layers with weights, where anything but float was asked for.
        lowering: By method, what delegates took of it; empty where a format has no delegates.
        pieces: Runs a method's example and returns what pieces compute that only a reference executor runs, in the
            order of execution.
        integers: Runs a method's example and returns the whole numbers of the file with what is computed with them;
            None where there are none, or where a format does not tell.
    """

    delegated: dict[str, float]
    decisions: list[Decision] = field(default_factory=list)
    lowering: Mapping[str, Lowering] = field(default_factory=dict)
    pieces: Callable[[Method], Sequence[PieceOutput]] = no_pieces
    integers: Callable[[Method], Integers] | None = None


class Exporter(Protocol):
    """One format's converter. Everything else about an export is here."""

    @property
    def format(self) -> Format:
        """What it writes."""
        ...

    @property
    def rules(self) -> Mapping[str, tuple[Rule, ...]]:
        """Which layers are stored and computed in what, by precision."""
        ...

    def build(self, methods: Sequence[Method], recipe: Recipe, path: Path, steps: Steps) -> Built:
        """Convert methods and write the artifact.

        Args:
            methods: Entry points; those of one artifact share weights.
            recipe: How numbers are stored and computed.
            path: Of the file or folder to write; its folder is there and nobody else's.
            steps: Shows what is done.

        Raises:
            UserError: The artifact cannot be made.
        """
        ...

    def layers(self, method: Method, recipe: Recipe) -> Iterator[LayerOutput]:
        """Yield what each layer of a method computes before and after quantization, in the order of execution."""
        ...
