"""ONNX graphs: the runtime's own NMS computes what `minivlm.ops.nms` computes, and nodes carry the modules' names."""

import numpy as np
import onnxruntime
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from export.backends.onnx.convert import layer_of, onnx_graph
from export.core.methods import Method
from minivlm.ops import NMS, nms
from minivlm.quiet import quiet

BOXES, KEPT, THRESHOLD = 12, 8, 0.5


class Suppression(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.ModuleDict({"nms": NMS(iou_threshold=THRESHOLD, max_output=KEPT)})

    def forward(self, boxes: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
        return self.inner["nms"](boxes, scores)


@pytest.fixture(scope="module")
def graph():
    inputs = {"boxes": torch.rand(BOXES, 4), "scores": torch.rand(BOXES)}
    with quiet():
        return onnx_graph(Method("forward", Suppression().eval(), inputs, ("indices", "valid")))


@pytest.fixture(scope="module")
def session(graph):
    return onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])


# Few places, sizes and scores, so that ties, equal boxes, empty boxes and IoUs of exactly the threshold are common.
CORNER = st.integers(0, 6)
SIZE = st.integers(0, 4)
SCORE = st.sampled_from([float("-inf"), -1.0, 0.0, 0.25, 0.5])
ROWS = st.lists(st.tuples(CORNER, CORNER, SIZE, SIZE, SCORE), min_size=BOXES, max_size=BOXES)


class TestNativeNMS:
    def test_is_in_the_graph_and_the_written_out_form_is_not(self, graph):
        operators = [node.op_type for node in graph.graph.node]
        assert operators.count("NonMaxSuppression") == 1
        assert "ArgMax" not in operators

    @given(ROWS)
    def test_equals_greedy_nms_row_by_row(self, session, rows):
        boxes = torch.tensor([(x, y, x + w, y + h) for x, y, w, h, _ in rows], dtype=torch.float32)
        scores = torch.tensor([score for *_, score in rows])
        expected_indices, expected_valid = nms(boxes, scores, THRESHOLD, KEPT)
        indices, valid = session.run(None, {"boxes": boxes.numpy(), "scores": scores.numpy()})
        assert np.array_equal(valid, expected_valid.numpy())
        # Rows that only fill hold the index 0 on both sides.
        assert np.array_equal(indices, torch.where(expected_valid, expected_indices, 0).numpy())

    def test_with_no_box_at_all_every_row_only_fills(self, session):
        boxes, scores = np.zeros((BOXES, 4), np.float32), np.full(BOXES, -np.inf, np.float32)
        indices, valid = session.run(None, {"boxes": boxes, "scores": scores})
        assert indices.tolist() == [0] * KEPT
        assert not valid.any()


class TestNames:
    def test_a_node_is_named_after_its_module_and_operator(self, graph):
        (node,) = (node for node in graph.graph.node if node.op_type == "NonMaxSuppression")
        assert node.name == "inner.nms/NonMaxSuppression"
        assert layer_of(node) == "inner.nms"

    def test_are_unique(self, graph):
        names = [node.name for node in graph.graph.node]
        assert len(set(names)) == len(names)

    def test_nothing_tells_where_the_source_was(self, graph):
        assert b".py" not in graph.SerializeToString()
