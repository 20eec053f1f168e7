"""RoI max pooling against ONNX Runtime's MaxRoiPool and against values worked out by hand."""

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch import Tensor

from minivlm.ops import roi_pool

SCALE = 1 / 16


@pytest.fixture(scope="module")
def onnx_roi_pool():
    """ONNX Runtime's MaxRoiPool as (feature, rois, output_size) -> pooled, at stride 16."""
    onnxruntime = pytest.importorskip("onnxruntime")
    from onnx import TensorProto, helper

    sessions = {}

    def session(output_size: int):
        node = helper.make_node(
            "MaxRoiPool", ["x", "rois"], ["y"], pooled_shape=[output_size, output_size], spatial_scale=SCALE
        )
        graph = helper.make_graph(
            [node],
            "roi_pool",
            [
                helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, None, None, None]),
                helper.make_tensor_value_info("rois", TensorProto.FLOAT, [None, 5]),
            ],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, None, output_size, output_size])],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
        return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])

    def run(feature: Tensor, rois: Tensor, output_size: int) -> Tensor:
        if output_size not in sessions:
            sessions[output_size] = session(output_size)
        numbered = np.concatenate([np.zeros((len(rois), 1), np.float32), rois.numpy()], axis=1)
        return torch.from_numpy(sessions[output_size].run(None, {"x": feature.numpy(), "rois": numbered})[0])

    return run


def by_definition(feature: Tensor, corners: list[int], output_size: int) -> Tensor:
    """The maximum over each window, one by one, for a RoI whose (x1, y1, x2, y2) are cells, both ends included."""
    height, width = feature.shape[2:]
    x1, y1, x2, y2 = corners
    pooled = torch.zeros(feature.shape[1], output_size, output_size)
    tall, wide = np.float32(y2 - y1 + 1) / np.float32(output_size), np.float32(x2 - x1 + 1) / np.float32(output_size)
    for row in range(output_size):
        top, bottom = int(np.floor(row * tall)) + y1, int(np.ceil((row + 1) * tall)) + y1
        for column in range(output_size):
            left, right = int(np.floor(column * wide)) + x1, int(np.ceil((column + 1) * wide)) + x1
            window = feature[0, :, max(top, 0) : min(bottom, height), max(left, 0) : min(right, width)]
            if top < height and bottom > 0 and left < width and right > 0:
                pooled[:, row, column] = window.amax(dim=(1, 2))
    return pooled


def numbered_map(height: int, width: int) -> Tensor:
    """A (1, 2, H, W) map whose values are all different, rising along the rows in one channel, falling in the other."""
    rising = torch.arange(float(height * width)).reshape(height, width)
    return torch.stack([rising, -rising])[None]


@st.composite
def rois(draw, reach: int) -> Tensor:
    """RoIs whose corners are anywhere from far off the map to inside it, many of them exactly between two cells."""
    raw = draw(hnp.arrays(np.int64, st.tuples(st.integers(1, 12), st.just(4)), elements=st.integers(-reach, 2 * reach)))
    low, high = np.minimum(raw[:, :2], raw[:, 2:]), np.maximum(raw[:, :2], raw[:, 2:])
    quarter_cells = np.concatenate([low, high], axis=1).astype(np.float32)
    return torch.from_numpy(quarter_cells) * (0.25 / SCALE)


@given(rois=rois(reach=120), size=st.sampled_from([(9, 13), (1, 1), (30, 7)]), output_size=st.sampled_from([1, 3, 14]))
@settings(max_examples=300, deadline=None)
def test_equals_onnx_runtime_on_and_off_the_map(onnx_roi_pool, rois, size, output_size):
    feature = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(0))
    # A maximum is one of its inputs: equal to the last bit.
    torch.testing.assert_close(
        roi_pool(feature, rois, output_size, SCALE), onnx_roi_pool(feature, rois, output_size), rtol=0, atol=0
    )


@pytest.mark.parametrize("length", range(1, 64))
def test_every_length_that_a_photo_can_have_equals_onnx_runtime(onnx_roi_pool, length):
    # 63 cells are a side of 1000 pixels. At 57 and 62 cells, 14 windows in float32 differ from exact fractions.
    feature = numbered_map(38, 63)
    rois = torch.tensor([[0.0, 0.0, length - 1.0, min(length, 38) - 1.0]]) / SCALE
    torch.testing.assert_close(roi_pool(feature, rois, 14, SCALE), onnx_roi_pool(feature, rois, 14), rtol=0, atol=0)


@given(
    corner=st.tuples(st.integers(-5, 12), st.integers(-5, 12)),
    length=st.tuples(st.integers(1, 20), st.integers(1, 20)),
    output_size=st.integers(1, 8),
)
@example(corner=(0, 0), length=(1, 1), output_size=8)
@settings(max_examples=200, deadline=None)
def test_equals_the_definition(corner, length, output_size):
    feature = numbered_map(10, 11)
    cells = [*corner, corner[0] + length[0] - 1, corner[1] + length[1] - 1]
    pooled = roi_pool(feature, torch.tensor([cells]) / SCALE, output_size, SCALE)
    torch.testing.assert_close(pooled[0], by_definition(feature, cells, output_size), rtol=0, atol=0)


def test_a_4_x_4_roi_in_2_x_2_windows():
    # Cells 1..4 of a 6 x 6 map numbered by rows: windows end at cells (2, 2), (2, 4), (4, 2) and (4, 4).
    feature = torch.arange(36.0).reshape(1, 1, 6, 6)
    pooled = roi_pool(feature, torch.tensor([[16.0, 16.0, 64.0, 64.0]]), 2, SCALE)
    torch.testing.assert_close(pooled, torch.tensor([[[[14.0, 16.0], [26.0, 28.0]]]]))


def test_windows_of_odd_rois_share_their_middle_row():
    # 3 cells in 2 windows of 1.5, rounded outwards: cells 0..1 and 1..2. The largest value, in the middle, is in both.
    feature = torch.tensor([1.0, 9.0, 2.0]).reshape(1, 1, 3, 1).expand(1, 1, 3, 3)
    pooled = roi_pool(feature, torch.tensor([[0.0, 0.0, 32.0, 32.0]]), 2, SCALE)
    torch.testing.assert_close(pooled, torch.full((1, 1, 2, 2), 9.0))


@pytest.mark.parametrize(("pixel", "cell"), [(7.9, 0), (8.0, 1), (23.9, 1), (24.0, 2), (40.0, 3)])
def test_corners_are_rounded_half_up_to_cells(pixel, cell):
    feature = torch.arange(5.0).reshape(1, 1, 1, 5) + 1.0
    pooled = roi_pool(feature, torch.tensor([[pixel, 0.0, pixel, 0.0]]), 1, SCALE)
    assert pooled.item() == cell + 1.0


def test_what_lies_off_the_map_is_ignored_and_empty_windows_are_zero():
    # Cells -2..1 of a map of -1: the two windows at the left and at the top have no cell.
    feature = torch.full((1, 1, 4, 4), -1.0)
    pooled = roi_pool(feature, torch.tensor([[-32.0, -32.0, 16.0, 16.0]]), 4, SCALE)
    expected = torch.zeros(4, 4)
    expected[2:, 2:] = -1.0
    torch.testing.assert_close(pooled[0, 0], expected)


def test_gradients_reach_the_map():
    feature = torch.arange(16.0).reshape(1, 1, 4, 4).requires_grad_()
    roi_pool(feature, torch.tensor([[0.0, 0.0, 48.0, 48.0]]), 2, SCALE).sum().backward()
    expected = torch.zeros(4, 4)
    expected[1::2, 1::2] = 1.0  # the largest of each 2 x 2 cells; ties between its four windows share the gradient
    torch.testing.assert_close(feature.grad[0, 0], expected)


def test_the_map_of_several_pictures_is_refused():
    with pytest.raises(ValueError, match="one picture"):
        roi_pool(torch.zeros(2, 3, 8, 8), torch.zeros(1, 4), 7, SCALE)
