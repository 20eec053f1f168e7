"""What Core ML's converter is told about this project's graphs: greedy NMS as a loop, and three PyTorch operators.

The converter keeps one table of translations for the whole process; `translations` adds to it and takes back.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from export.rewrites.modules import replace_nms
from minivlm.ops import NMS, nms


@cache
def nms_operator() -> Any:
    """Return greedy NMS as one PyTorch operator, so that a traced graph holds it as one node."""

    @torch.library.custom_op("minivlm::greedy_nms", mutates_args=())
    def greedy_nms(boxes: Tensor, scores: Tensor, iou_threshold: float, max_output: int) -> tuple[Tensor, Tensor]:
        return nms(boxes, scores, iou_threshold, max_output)

    @greedy_nms.register_fake
    def _(boxes: Tensor, scores: Tensor, iou_threshold: float, max_output: int) -> tuple[Tensor, Tensor]:
        return boxes.new_empty(max_output, dtype=torch.int64), boxes.new_empty(max_output, dtype=torch.bool)

    return greedy_nms


class OpaqueNMS(nn.Module):
    """`NMS` as one node of the graph."""

    def __init__(self, original: NMS) -> None:
        super().__init__()
        self.iou_threshold = original.iou_threshold
        self.max_output = original.max_output

    def forward(self, boxes: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
        """See `minivlm.ops.nms`."""
        indices, valid = nms_operator()(boxes, scores, self.iou_threshold, self.max_output)
        return indices, valid


def hide_nms(module: nn.Module) -> None:
    """Replace every `NMS` by an `OpaqueNMS`, in place."""
    replace_nms(module, OpaqueNMS)


@contextmanager
def translations() -> Iterator[None]:
    """Teach Core ML's converter the operators of this project's graphs while the block runs."""
    from coremltools.converters.mil.frontend.torch.torch_op_registry import _TORCH_OPS_REGISTRY as registry

    before = dict(registry.name_to_func_mapping)
    added: dict[str, Callable[..., None]] = {
        "minivlm::greedy_nms": _translate_nms,
        "where.scalarother": _translate_where,
        "__and__": registry.get_func("logical_and"),
        "sum.dim_intlist": _sum_translation(registry.get_func("sum")),
        "div": _division_translation(registry.get_func("div")),
    }
    registry.name_to_func_mapping.update(added)
    try:
        yield
    finally:
        registry.name_to_func_mapping.clear()
        registry.name_to_func_mapping.update(before)


def _translate_where(context: Any, node: Any) -> None:
    """`torch.where(condition, tensor, number)`."""
    from coremltools.converters.mil import Builder as mb

    condition, tensor, number = node.inputs
    context.add(mb.select(cond=context[condition], a=context[tensor], b=np.float32(number), name=node.name))


def _sum_translation(original: Callable[..., None]) -> Callable[..., None]:
    """Return a translation of sums that counts booleans in int32; the converter's own gives a float."""

    def translate(context: Any, node: Any) -> None:
        from coremltools.converters.mil import Builder as mb
        from coremltools.converters.mil.mil import types

        rows = context[node.inputs[0]]
        if rows.dtype != types.bool:
            original(context, node)
            return
        counts = mb.cast(x=rows, dtype="int32", name=f"{node.name}_counts")
        context.add(mb.reduce_sum(x=counts, axes=list(node.inputs[1]), keep_dims=False, name=node.name))

    return translate


def _division_translation(original: Callable[..., None]) -> Callable[..., None]:
    """Return a translation of divisions that stays in int32 for whole numbers; the converter's own gives a float."""

    def translate(context: Any, node: Any) -> None:
        from coremltools.converters.mil import Builder as mb
        from coremltools.converters.mil.mil import types

        dividend, divisor = (context[item] if isinstance(item, str) else np.int32(item) for item in node.inputs[:2])
        if dividend.dtype == types.int32 and (node.kwinputs or {}).get("rounding_mode") == ("floor",):
            context.add(mb.floor_div(x=dividend, y=divisor, name=node.name))
        else:
            original(context, node)

    return translate


def _translate_nms(context: Any, node: Any) -> None:
    boxes, scores, iou_threshold, max_output = node.inputs
    context.add(build_nms(context[boxes], context[scores], iou_threshold, max_output, node.name), torch_name=node.name)


def build_nms(boxes: Any, scores: Any, iou_threshold: float, max_output: int, name: str) -> tuple[Any, Any]:
    """Add greedy NMS to the MIL program being built; arguments and results as for `minivlm.ops.nms`, in int32.

    Core ML's `non_maximum_suppression` says neither how it rounds the overlap nor what it does with equal boxes. Here
    the boxes are sorted, and "a box is kept unless a kept better one overlaps it" is repeated until nothing changes.
    After k rounds the k best boxes are settled, so the loop ends, and what it ends at is the one solution: the greedy
    one. It takes as many rounds as the longest chain of suppressions, not as many as there are boxes.

    Args:
        boxes: (N, 4) variable.
        scores: (N,) variable.
        iou_threshold: See `minivlm.ops.nms`.
        max_output: Rows of the result.
        name: Prefix of the operations' names.
    """
    from coremltools.converters.mil import Builder as mb

    count = boxes.shape[0]
    ranked, order = mb.topk(x=scores, k=count, axis=0, ascending=False, name=f"{name}_sort")
    boxes = mb.gather(x=boxes, indices=order, axis=0, name=f"{name}_sorted")
    alive = mb.cast(x=mb.greater(x=ranked, y=np.float32(-math.inf)), dtype="fp32", name=f"{name}_alive")
    alive = mb.expand_dims(x=alive, axes=[0], name=f"{name}_alive_row")  # (1, N)
    suppresses = _suppression(boxes, iou_threshold, name)  # (N, N) 1.0 where the row's box drops the column's

    def changed(kept: Any, difference: Any) -> Any:
        return mb.greater(x=difference, y=np.float32(0.0), name=f"{name}_changed")

    def settle(kept: Any, difference: Any) -> tuple[Any, Any]:
        suppressors = mb.matmul(x=kept, y=suppresses, name=f"{name}_suppressors")
        free = mb.cast(x=mb.equal(x=suppressors, y=np.float32(0.0)), dtype="fp32", name=f"{name}_free")
        after = mb.mul(x=alive, y=free, name=f"{name}_after")
        moved = mb.abs(x=mb.sub(x=after, y=kept), name=f"{name}_moved")
        return after, mb.reduce_sum(x=moved, axes=[0, 1], keep_dims=False, name=f"{name}_difference")

    kept, _ = mb.while_loop(_cond=changed, _body=settle, loop_vars=(alive, np.float32(1.0)), name=f"{name}_loop")

    # Falling numbers, all different, so that no runtime has a tie to break.
    falling = np.arange(count, 0, -1, dtype=np.float32)
    standing = mb.mul(x=mb.squeeze(x=kept, axes=[0]), y=falling, name=f"{name}_standing")
    found = min(max_output, count)
    left, picks = mb.topk(x=standing, k=found, axis=0, ascending=False, name=f"{name}_picks")
    valid = mb.greater(x=left, y=np.float32(0.0), name=f"{name}_valid")
    numbers = mb.cast(x=valid, dtype="int32", name=f"{name}_valid_numbers")
    indices = mb.mul(x=mb.gather(x=order, indices=picks, axis=0), y=numbers, name=f"{name}_indices")
    if found < max_output:
        rest = np.zeros(max_output - found, np.int32)
        indices = mb.concat(values=[indices, rest], axis=0, name=f"{name}_all_indices")
        valid = mb.cast(x=mb.concat(values=[numbers, rest], axis=0), dtype="bool", name=f"{name}_all_valid")
    return indices, valid


def _suppression(boxes: Any, iou_threshold: float, name: str) -> Any:
    """Return the (N, N) fp32 matrix of which box, by row, drops which worse one, by column."""
    from coremltools.converters.mil import Builder as mb

    zero = np.float32(0.0)
    x1, y1, x2, y2 = mb.split(x=boxes, num_splits=4, axis=1, name=f"{name}_edges")  # (N, 1) each

    def overlap(low: Any, high: Any) -> Any:
        lows, highs = (mb.transpose(x=edge, perm=[1, 0]) for edge in (low, high))
        return mb.maximum(x=mb.sub(x=mb.minimum(x=high, y=highs), y=mb.maximum(x=low, y=lows)), y=zero)

    intersection = mb.mul(x=overlap(x1, x2), y=overlap(y1, y2), name=f"{name}_intersection")
    width, height = mb.maximum(x=mb.sub(x=x2, y=x1), y=zero), mb.maximum(x=mb.sub(x=y2, y=y1), y=zero)
    area = mb.mul(x=width, y=height, name=f"{name}_area")
    union = mb.sub(x=mb.add(x=area, y=mb.transpose(x=area, perm=[1, 0])), y=intersection, name=f"{name}_union")
    # Two empty boxes give 0 / tiny = 0, "no overlap", where `pairwise_iou` has a NaN that compares as such.
    iou = mb.real_div(x=intersection, y=mb.maximum(x=union, y=np.finfo(np.float32).tiny), name=f"{name}_iou")
    over = mb.cast(x=mb.greater(x=iou, y=np.float32(iou_threshold)), dtype="fp32", name=f"{name}_over")
    better = mb.band_part(x=over, lower=0, upper=-1, name=f"{name}_better")  # the row's box before the column's
    itself = mb.band_part(x=over, lower=0, upper=0, name=f"{name}_itself")
    return mb.sub(x=better, y=itself, name=f"{name}_suppresses")
