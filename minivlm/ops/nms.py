"""Greedy non-maximum suppression as a static graph that is exact by construction.

The usual vectorised forms iterate "a box is kept unless a kept better one overlaps it" a fixed number of rounds and
are wrong as soon as a chain of suppressions is longer than that. Here each of the `max_output` steps does what the
definition says: take the best box left, drop what it overlaps. No number of rounds can be too small.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from minivlm.ops.boxes import box_iou, pairwise_iou

Step = Callable[[Tensor], tuple[Tensor, tuple[Tensor, Tensor]]]
"""One step: state -> (next state, what it puts out)."""
Repeat = Callable[[Step, Tensor, int], tuple[Tensor, Tensor]]
"""A way to run a step a fixed number of times and stack what each run puts out."""


def unrolled(step: Step, state: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Repeat by a Python loop: fastest eagerly, and a flat graph for runtimes without control flow."""
    rows = []
    for _ in range(count):
        state, row = step(state)
        rows.append(row)
    first, second = zip(*rows, strict=True)
    return torch.stack(first), torch.stack(second)


def scanned(step: Step, state: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Repeat by `torch.scan`: a graph whose size does not grow with the count, for runtimes that can loop."""
    from torch._higher_order_ops.scan import scan

    def body(carry: Tensor, _: Tensor) -> Any:
        carry, row = step(carry)
        return carry, tuple(item.clone() for item in row)  # scan forbids outputs that alias its carry

    _, (first, second) = scan(body, state, torch.zeros(count, 1))
    return first, second


def nms(
    boxes: Tensor, scores: Tensor, iou_threshold: float, max_output: int, repeat: Repeat = unrolled
) -> tuple[Tensor, Tensor]:
    """Greedy NMS: repeatedly keep the best box left and drop every box that overlaps it by more than the threshold.

    Args:
        boxes: (N, 4) xyxy, in any one unit. Boxes without area overlap nothing.
        scores: (N,) float; -inf takes a box out. Of equal scores the first wins.
        iou_threshold: A box goes when its IoU with a kept one is strictly greater.
        max_output: Number of rows of the result.
        repeat: How the steps are laid out in a graph, `unrolled` or `scanned`; the result is the same.

    Returns:
        indices: (max_output,) int64, by falling score.
        valid: (max_output,) bool. False in the tail once no box is left; the index there is 0.
    """
    overlaps = pairwise_iou(boxes) > iou_threshold  # (N, N)
    positions = torch.arange(boxes.shape[0], device=boxes.device)

    def step(left: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        best = left.argmax(dim=0, keepdim=True)  # (1,)
        valid = left.index_select(0, best) > float("-inf")
        gone = overlaps.index_select(0, best)[0] | (positions == best)  # an empty box does not overlap itself
        return torch.where(gone, float("-inf"), left), (best, valid)

    indices, valid = repeat(step, scores, max_output)
    return indices[:, 0], valid[:, 0]


def nms_each(boxes: Tensor, scores: Tensor, iou_threshold: float, max_output: int) -> tuple[Tensor, Tensor]:
    """Run `nms` on every set of a batch at once: as many steps as for one, which is what an accelerator waits for.

    Args:
        boxes: (B, N, 4) xyxy.
        scores: (B, N) float.
        iou_threshold: As `nms` takes it.
        max_output: Likewise.

    Returns:
        indices: (B, max_output) int64, valid: (B, max_output) bool, as `nms` gives them for each set alone.
    """
    overlaps = box_iou(boxes, boxes) > iou_threshold  # (B, N, N)
    sets, positions = torch.arange(len(boxes), device=boxes.device), torch.arange(boxes.shape[1], device=boxes.device)
    left, indices, valid = scores, [], []
    for _ in range(max_output):
        most, best = left.max(dim=1)
        indices.append(best)
        valid.append(most > float("-inf"))
        left = left.masked_fill(overlaps[sets, best] | (positions == best[:, None]), float("-inf"))
    found = torch.stack(valid, dim=1)
    return torch.where(found, torch.stack(indices, dim=1), 0), found


class NMS(nn.Module):
    """`nms` as a module: an exporter may change `repeat`, or put its runtime's native operator in this place."""

    def __init__(self, *, iou_threshold: float, max_output: int) -> None:
        super().__init__()
        self.iou_threshold = iou_threshold
        self.max_output = max_output
        self.repeat: Repeat = unrolled

    def forward(self, boxes: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
        """See `nms`."""
        return nms(boxes, scores, self.iou_threshold, self.max_output, self.repeat)

    def each(self, boxes: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
        """See `nms_each`."""
        return nms_each(boxes, scores, self.iou_threshold, self.max_output)
