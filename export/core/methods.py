"""A method: one named entry point of an artifact, with example inputs of the shapes it is fixed to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from minivlm.models.costs import count_macs
from minivlm.vision.regions import DENSE_PARTS


@dataclass(frozen=True)
class Method:
    """One entry point of an artifact.

    Attributes:
        name: How callers address it.
        module: What it computes; its forward takes the inputs in order and returns a tuple.
        inputs: Example inputs by name. No two are the same tensor: `torch.export` takes two uses of one for one input.
        outputs: Names of the results in order.
        detector: Whether a detector is in it: ranges are measured on photos, and behind its selection of proposals a
            row may be another box's.
        by_box: Whether its outputs are regions and proposals, compared by box; others are compared by position.
        held_out: More inputs for the verification, none of them used to make the artifact.
    """

    name: str
    module: nn.Module
    inputs: Mapping[str, Tensor]
    outputs: tuple[str, ...]
    detector: bool = False
    by_box: bool = False
    held_out: Sequence[tuple[Tensor, ...]] = ()

    @property
    def example(self) -> tuple[Tensor, ...]:
        """The example inputs in order."""
        return tuple(self.inputs.values())

    @property
    def verification_inputs(self) -> list[tuple[Tensor, ...]]:
        """All inputs of the verification, the example first."""
        return [self.example, *self.held_out]

    def is_dense(self, module: str) -> bool:
        """Tell whether a module, by its dotted name, is of the part that may compute in fp16, on an accelerator."""
        return not self.detector or any(part in module.split(".") for part in DENSE_PARTS)

    def keeps_places(self, module: str) -> bool:
        """Tell whether what a module, by its dotted name, computes stays in place when numbers change a little.

        Behind a detector's selection of proposals, a row may be another box's.
        """
        return not self.detector or "backbone" in module.split(".")


def total_macs(method: Method) -> int:
    """Count a method's multiply-adds as PyTorch runs them."""
    return count_macs(lambda: method.module(*method.example))[0]
