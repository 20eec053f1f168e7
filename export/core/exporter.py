"""What a format's exporter is, and what it tells."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

from torch import Tensor

from export.core.format import Format
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


@dataclass(frozen=True)
class Built:
    """What a converter tells about the artifact it wrote.

    Attributes:
        delegated: By method, the share of its multiply-adds that accelerated kernels run.
        decisions: What was decided about layers with weights, where anything but float was asked for.
    """

    delegated: dict[str, float]
    decisions: list[Decision] = field(default_factory=list)


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
