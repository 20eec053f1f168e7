"""A method of the model beside the same method of the artifact."""

from collections.abc import Sequence

import torch
from torch import Tensor

from export.core.catalogue import DetectorGraph
from export.core.methods import Method
from export.core.metric import Metric
from export.verify.metrics import compare_proposals, compare_regions, compare_tensors
from export.verify.ties import settled
from export.verify.tolerances import Tolerances
from minivlm.vision.regions import Regions


def run_reference(method: Method, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Run a method in PyTorch."""
    with torch.no_grad():
        return tuple(method.module(*inputs))


def compare(
    method: Method, expected: tuple[Tensor, ...], given: tuple[Tensor, ...], tolerances: Tolerances
) -> list[Metric]:
    """Compare a method's results: regions by box, everything else by position."""
    if method.by_box:
        (*regions, proposals), (*other_regions, other_proposals) = expected, given
        return [
            compare_proposals(proposals, other_proposals, tolerances),
            *compare_regions(Regions(*regions), Regions(*other_regions), tolerances),
        ]
    return compare_tensors(method.outputs, expected, given, tolerances)


def settle(
    method: Method, inputs: Sequence[Tensor], expected: tuple[Tensor, ...], given: tuple[Tensor, ...]
) -> tuple[Tensor, ...]:
    """Return what a method's results have to equal: those of PyTorch, where it orders equal scores as was done there.

    Args:
        method: What was run.
        inputs: On what.
        expected: PyTorch's results, in its own order.
        given: Results to be judged.
    """
    if not isinstance(method.module, DetectorGraph):
        return expected
    image, extent = inputs
    return settled(method.module.detector, image, extent, given)
