"""One number of a comparison, with the tolerance that it must keep."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """One number of a comparison and the bound it must keep.

    Attributes:
        name: What was compared and how.
        value: What was measured.
        bound: The worst value that passes.
        at_least: Whether larger is better.
    """

    name: str
    value: float
    bound: float
    at_least: bool = True

    @property
    def passed(self) -> bool:
        """Whether the bound is kept; never with NaN."""
        return self.value >= self.bound if self.at_least else self.value <= self.bound

    def __str__(self) -> str:
        sign = ">=" if self.at_least else "<="
        return f"{self.name} {self.value:.4g} ({sign} {self.bound:g}{'' if self.passed else ', FAILED'})"
