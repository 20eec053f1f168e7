"""How numbers are stored and computed in an artifact."""

from collections.abc import Iterable
from dataclasses import dataclass

from torch import Tensor

from export.core.calibration import Calibration
from export.core.format import INTEGERS
from export.core.methods import Method
from export.core.precision import Decision, Kind, Rule, deciding_rule


@dataclass(frozen=True)
class Recipe:
    """Precision of an artifact.

    Attributes:
        precision: One of `export.core.format.PRECISIONS`.
        rules: Which layers are stored and computed in what, first match wins.
        calibration: For a detector in whole numbers, else None.
        delegate: What computes, see `ExportRequest`.
    """

    precision: str
    rules: tuple[Rule, ...] = ()
    calibration: Calibration | None = None
    delegate: str = ""

    @property
    def integers(self) -> bool:
        """Whether layers compute with whole numbers."""
        return self.precision in INTEGERS

    def rule_of(self, module: str, kind: Kind) -> Rule:
        """Return the rule that decides about a layer, by its module's dotted name within whatever wraps it."""
        return deciding_rule(self.rules, module, kind)

    def decide(self, layers: Iterable[tuple[str, Kind]]) -> list[Decision]:
        """Return what is decided about layers with weights, by name and kind."""
        return [Decision(name, kind, deciding_rule(self.rules, name, kind)) for name, kind in layers]

    def samples(self, method: Method) -> list[tuple[Tensor, ...]]:
        """Return the inputs to calibrate a method on: photos for a detector, else the method's example."""
        if method.detector and self.calibration is not None:
            return list(self.calibration.samples)
        return [method.example]
