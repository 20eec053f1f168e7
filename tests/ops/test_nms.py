"""Greedy NMS against ONNX Runtime's operator and against its definition written out in plain Python."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from onnx import TensorProto, helper
from torch import Tensor

from minivlm.ops import nms, nms_each, scanned, unrolled

onnxruntime = pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def onnx_nms():
    """ONNX Runtime's NonMaxSuppression as (boxes, scores, threshold, count) -> kept indices by falling score."""
    node = helper.make_node("NonMaxSuppression", ["boxes", "scores", "count", "threshold"], ["selected"])
    graph = helper.make_graph(
        [node],
        "nms",
        [
            helper.make_tensor_value_info("boxes", TensorProto.FLOAT, [1, None, 4]),
            helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, 1, None]),
            helper.make_tensor_value_info("count", TensorProto.INT64, [1]),
            helper.make_tensor_value_info("threshold", TensorProto.FLOAT, [1]),
        ],
        [helper.make_tensor_value_info("selected", TensorProto.INT64, [None, 3])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])

    def run(boxes: Tensor, scores: Tensor, threshold: float, count: int) -> list[int]:
        inputs = {
            "boxes": boxes.numpy()[None],
            "scores": scores.numpy()[None, None],
            "count": np.array([count], dtype=np.int64),
            "threshold": np.array([threshold], dtype=np.float32),
        }
        return session.run(None, inputs)[0][:, 2].tolist()

    return run


def kept(boxes: Tensor, scores: Tensor, threshold: float, count: int, repeat=unrolled) -> list[int]:
    indices, valid = nms(boxes, scores, threshold, count, repeat)
    assert valid.tolist() == sorted(valid.tolist(), reverse=True), "invalid rows must come last"
    return indices[valid].tolist()


def by_definition(boxes: Tensor, scores: Tensor, threshold: float, count: int) -> list[int]:
    """Greedy NMS in exact double arithmetic, one pair at a time."""

    def iou(a: list[float], b: list[float]) -> float:
        width = min(a[2], b[2]) - max(a[0], b[0])
        height = min(a[3], b[3]) - max(a[1], b[1])
        shared = max(width, 0.0) * max(height, 0.0)
        union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared
        return shared / union if union > 0 else 0.0

    rows, result = boxes.tolist(), []
    for index in sorted(range(len(rows)), key=lambda i: (-scores[i].item(), i)):
        if all(iou(rows[index], rows[other]) <= threshold for other in result):
            result.append(index)
    return result[:count]


# Corners on a small integer grid: every area, and so every IoU's rounding, is exact in float32, and ties, nested,
# touching, equal and empty boxes all come up by themselves.
corners = hnp.arrays(np.int64, st.tuples(st.integers(1, 60), st.just(4)), elements=st.integers(0, 12))


@st.composite
def scored_boxes(draw) -> tuple[Tensor, Tensor]:
    raw = draw(corners)
    low, high = np.minimum(raw[:, :2], raw[:, 2:]), np.maximum(raw[:, :2], raw[:, 2:])
    levels = st.integers(0, draw(st.sampled_from([2, 1000])))  # few levels: many equal scores
    scores = draw(hnp.arrays(np.float32, len(raw), elements=levels.map(float)))
    return torch.from_numpy(np.concatenate([low, high], axis=1).astype(np.float32)), torch.from_numpy(scores)


@given(case=scored_boxes(), threshold=st.sampled_from([0.3, 0.5, 0.7]), count=st.integers(1, 60))
@settings(max_examples=300, deadline=None)
def test_equals_onnx_runtime_and_the_definition(onnx_nms, case, threshold, count):
    boxes, scores = case
    ours = kept(boxes, scores, threshold, count)
    assert ours == by_definition(boxes, scores, threshold, count)
    assert ours == onnx_nms(boxes, scores, threshold, count)


@given(case=scored_boxes())
@settings(max_examples=10, deadline=None)
def test_both_layouts_of_the_steps_give_the_same(case):
    boxes, scores = case
    assert kept(boxes, scores, 0.5, 20, scanned) == kept(boxes, scores, 0.5, 20, unrolled)


@pytest.mark.parametrize("length", [10, 200, 1000])
def test_a_chain_of_suppressions_of_any_length_is_followed_to_its_end(onnx_nms, length):
    # Each box overlaps only its two neighbours by more than 0.5 (IoU 0.6 at a shift of 1 in 4, 1/3 at 2), so every
    # second box survives. A fixed number of parallel rounds gets the far end of a long chain wrong.
    x1 = torch.arange(length, dtype=torch.float32)
    boxes = torch.stack([x1, torch.zeros(length), x1 + 4, torch.ones(length)], dim=1)
    scores = torch.arange(length, 0, -1, dtype=torch.float32)
    expected = list(range(0, length, 2))
    assert kept(boxes, scores, 0.5, length) == expected
    assert onnx_nms(boxes, scores, 0.5, length) == expected


def test_of_equal_scores_the_first_wins():
    boxes = torch.tensor([[0.0, 0.0, 4.0, 4.0], [0.0, 0.0, 4.0, 4.0], [8.0, 0.0, 9.0, 1.0]])
    assert kept(boxes, torch.ones(3), 0.5, 3) == [0, 2]


def test_rows_after_the_last_box_are_marked_invalid():
    boxes = torch.tensor([[0.0, 0.0, 4.0, 4.0], [0.0, 0.0, 4.0, 3.0]])
    indices, valid = nms(boxes, torch.tensor([1.0, 2.0]), 0.5, 4)
    assert indices.tolist() == [1, 0, 0, 0]
    assert valid.tolist() == [True, False, False, False]


def test_an_empty_box_overlaps_nothing_and_comes_once():
    boxes = torch.tensor([[2.0, 2.0, 2.0, 2.0], [0.0, 0.0, 4.0, 4.0], [2.0, 2.0, 2.0, 2.0]])
    assert kept(boxes, torch.tensor([3.0, 2.0, 1.0]), 0.5, 3) == [0, 1, 2]


@given(seed=st.integers(0, 2**20), count=st.integers(1, 40))
def test_of_a_batch_is_that_of_each(seed: int, count: int):
    numbers = torch.rand(3, count, 5, generator=torch.Generator().manual_seed(seed))
    boxes = torch.cat([numbers[..., :2], numbers[..., :2] + 0.5 * numbers[..., 2:4] - 0.02], dim=2)  # some are empty
    scores = numbers[..., 4].masked_fill(numbers[..., 4] < 0.2, float("-inf"))
    indices, valid = nms_each(boxes, scores, 0.3, 15)
    for place in range(3):
        alone = nms(boxes[place], scores[place], 0.3, 15)
        assert torch.equal(valid[place], alone[1])
        assert indices[place].tolist() == torch.where(alone[1], alone[0], 0).tolist()
