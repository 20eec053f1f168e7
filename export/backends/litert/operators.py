"""LiteRT operators that the converter does not choose by itself, put into the graph by name."""

import math
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from minivlm.ops import NMS, nms


class NativeNMS(nn.Module):
    """Greedy NMS by LiteRT's NON_MAX_SUPPRESSION_V4; the same rows as `minivlm.ops.nms`.

    The converter knows no loop, and 300 unrolled steps take minutes to convert. The operator keeps no order among equal
    scores and drops at "IoU >= threshold": so it gets ranks, which all differ, and the float behind the threshold.

    A box without area has to be out, with a score of -inf, as it is wherever TEE calls NMS: the operator would take the
    same one again and again.

    Args:
        module: What it stands for.
    """

    def __init__(self, module: NMS) -> None:
        super().__init__()
        self.threshold = _next(module.iou_threshold, math.inf)
        self.max_output = module.max_output

    def forward(self, boxes: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
        """See `minivlm.ops.nms`."""
        ordered, order = scores.topk(scores.shape[0])
        ranks = torch.where(ordered > float("-inf"), torch.arange(float(scores.shape[0]), 0.0, -1.0), 0.0)
        operator = native_operators().nms
        rows, found = operator(boxes.index_select(0, order), ranks, self.max_output, self.threshold)
        valid = torch.arange(self.max_output) < found
        return torch.where(valid, order.index_select(0, rows), 0), valid


class NativeOperators:
    """Teaches PyTorch an operator that stands for NON_MAX_SUPPRESSION_V4, and the converter to write it and gathers.

    Attributes:
        nms: (N, 4) boxes, (N,) scores, of which those above 0 take part, number of rows and threshold -> (max_output,)
            int32 rows, filled up with 0, and () int32 how many there are.
    """

    def __init__(self) -> None:
        from litert_torch.backend.lowerings import lower

        operator = torch.library.custom_op("minivlm::non_max_suppression_v4", _nms, mutates_args=())
        operator.register_fake(_nms_shapes)
        self.nms: Any = torch.ops.minivlm.non_max_suppression_v4.default
        lower(self.nms)(_write_nms)
        # The converter's own gathers replace rows out of range by NaN: comparisons and selections over whole tables,
        # a fifth of the detector's tail. The quantizer knows embedding tables as EMBEDDING_LOOKUP only.
        lower(torch.ops.aten.index_select.default)(_write_gather)
        lower(torch.ops.aten.embedding.default)(_write_embedding)


@cache
def native_operators() -> NativeOperators:
    """Return the operators, which a process can define only once."""
    return NativeOperators()


def _nms(boxes: Tensor, scores: Tensor, max_output: int, iou_threshold: float) -> tuple[Tensor, Tensor]:
    taking_part = torch.where(scores > 0.0, scores, float("-inf"))
    rows, valid = nms(boxes, taking_part, _next(iou_threshold, -math.inf), max_output)
    return rows.to(torch.int32), valid.sum(dtype=torch.int32)


def _nms_shapes(boxes: Tensor, scores: Tensor, max_output: int, iou_threshold: float) -> tuple[Tensor, Tensor]:
    return boxes.new_empty(max_output, dtype=torch.int32), boxes.new_empty((), dtype=torch.int32)


def _next(value: float, toward: float) -> float:
    """Return the next float32."""
    return float(torch.nextafter(torch.tensor(value), torch.tensor(toward)))


def _write_nms(context: Any, boxes: Any, scores: Any, max_output: int, iou_threshold: float) -> Any:
    import numpy as np
    from litert_torch.backend.lowerings import utils

    limits = (np.array(max_output, np.int32), np.array(iou_threshold, np.float32), np.array(0.0, np.float32))
    operands = [boxes, scores, *(utils.numpy_array_constant(limit) for limit in limits)]
    return _write("tfl.non_max_suppression_v4", utils.node_meta_to_ir_types(context.node), operands)


def _write_gather(context: Any, table: Any, axis: int, rows: Any) -> Any:
    from litert_converter.mlir import ir
    from litert_torch.backend.lowerings import utils

    number = ir.IntegerType.get_signless(32)
    attributes = {"axis": ir.IntegerAttr.get(number, axis), "batch_dims": ir.IntegerAttr.get(number, 0)}
    return _write("tfl.gather", utils.node_meta_to_ir_types(context.node), [table, _as_int32(rows)], attributes)


def _write_embedding(context: Any, table: Any, ids: Any, *_: Any) -> Any:
    from litert_converter.mlir import ir
    from litert_converter.mlir.dialects import stablehlo
    from litert_torch.backend.lowerings import utils

    count, width = math.prod(ids.type.shape), table.type.shape[1]
    flat = stablehlo.reshape(ir.RankedTensorType.get([count], ir.IntegerType.get_signless(32)), _as_int32(ids))
    found = _write(
        "tfl.embedding_lookup", [ir.RankedTensorType.get([count, width], table.type.element_type)], [flat, table]
    )
    (result,) = utils.node_meta_to_ir_types(context.node)
    return stablehlo.reshape(result, found)


def _as_int32(numbers: Any) -> Any:
    from litert_converter.mlir import ir
    from litert_converter.mlir.dialects import stablehlo

    return stablehlo.convert(ir.RankedTensorType.get(numbers.type.shape, ir.IntegerType.get_signless(32)), numbers)


def _write(name: str, results: Any, operands: Any, attributes: Any = None) -> Any:
    """Write an operator as the custom call that the converter turns into it."""
    from litert_converter.mlir import ir
    from litert_converter.mlir.dialects import stablehlo

    return stablehlo.custom_call(
        result=results,
        inputs=operands,
        call_target_name=ir.StringAttr.get(name),
        has_side_effect=ir.BoolAttr.get(False),
        backend_config=ir.StringAttr.get(str(ir.DictAttr.get(attributes or {}))),
    )
