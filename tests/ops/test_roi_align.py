"""RoIAlign against ONNX Runtime's RoiAlign operator."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from onnx import TensorProto, helper
from torch import Tensor

from minivlm.ops import roi_align, roi_align_each

onnxruntime = pytest.importorskip("onnxruntime")
STRIDES = (4, 8, 16)


def onnx_roi_align(feature: Tensor, rois: Tensor, stride: int, size: int, samples: int) -> Tensor:
    node = helper.make_node(
        "RoiAlign",
        ["x", "rois", "batch"],
        ["y"],
        mode="avg",
        output_height=size,
        output_width=size,
        sampling_ratio=samples,
        spatial_scale=1.0 / stride,
        coordinate_transformation_mode="output_half_pixel",
    )
    graph = helper.make_graph(
        [node],
        "roi_align",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, None),
            helper.make_tensor_value_info("rois", TensorProto.FLOAT, [None, 4]),
            helper.make_tensor_value_info("batch", TensorProto.INT64, [None]),
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 16)], ir_version=9)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    inputs = {"x": feature.numpy(), "rois": rois.numpy(), "batch": np.zeros(len(rois), dtype=np.int64)}
    return torch.from_numpy(session.run(None, inputs)[0])


# Quarter pixels from well off the map on one side to well off it on the other, some RoIs empty or inverted.
coordinates = st.integers(-120, 400).map(lambda value: value / 4)
roi_arrays = hnp.arrays(np.float32, st.tuples(st.integers(1, 12), st.just(4)), elements=coordinates)


@given(rois=roi_arrays, seed=st.integers(0, 2**16), size=st.sampled_from([1, 4, 7]), samples=st.sampled_from([1, 2, 3]))
@settings(max_examples=150, deadline=None)
def test_one_level_equals_onnx_runtime(rois, seed, size, samples):
    rois = torch.from_numpy(rois)
    feature = torch.randn(1, 5, 9, 14, generator=torch.Generator().manual_seed(seed))
    ours = roi_align([feature], rois, torch.zeros(len(rois), dtype=torch.int64), [4], size, samples)
    # Tolerance: float32 sums of up to 36 products of unit size, in another order.
    torch.testing.assert_close(ours, onnx_roi_align(feature, rois, 4, size, samples), rtol=1e-4, atol=2e-5)


@given(rois=roi_arrays, seed=st.integers(0, 2**16))
@settings(max_examples=50, deadline=None)
def test_each_roi_reads_its_own_level(rois, seed):
    rois = torch.from_numpy(rois)
    generator = torch.Generator().manual_seed(seed)
    features = [torch.randn(1, 3, 96 // stride, 64 // stride, generator=generator) for stride in STRIDES]
    levels = torch.randint(len(STRIDES), (len(rois),), generator=generator)
    ours = roi_align(features, rois, levels, STRIDES, 4, 2)
    for level, (feature, stride) in enumerate(zip(features, STRIDES, strict=True)):
        expected = onnx_roi_align(feature, rois, stride, 4, 2)
        torch.testing.assert_close(ours[levels == level], expected[levels == level], rtol=1e-4, atol=2e-5)


@given(rois=roi_arrays, seed=st.integers(0, 2**16))
@settings(max_examples=50, deadline=None)
def test_every_picture_of_a_batch_reads_its_own_maps(rois, seed):
    rois = torch.from_numpy(rois)
    generator = torch.Generator().manual_seed(seed)
    features = [torch.randn(2, 3, 96 // stride, 64 // stride, generator=generator) for stride in STRIDES]
    levels = torch.randint(len(STRIDES), (len(rois),), generator=generator)
    first = int(torch.randint(len(rois) + 1, (), generator=generator))
    pictures = (slice(0, first), slice(first, None))
    each = roi_align_each(features, [rois[own] for own in pictures], [levels[own] for own in pictures], STRIDES, 4, 2)
    for picture, own in enumerate(pictures):
        for level, (feature, stride) in enumerate(zip(features, STRIDES, strict=True)):
            rows = levels[own] == level
            if rows.any():
                expected = onnx_roi_align(feature[picture : picture + 1], rois[own][rows], stride, 4, 2)
                torch.testing.assert_close(each[own][rows], expected, rtol=1e-4, atol=2e-5)


def test_gradients_of_maps_keep_channels_last():
    """Otherwise every layer that they go back through would run several times slower."""
    feature = torch.randn(2, 3, 8, 8).to(memory_format=torch.channels_last).requires_grad_()
    rois, level = torch.tensor([[0.0, 0.0, 20.0, 20.0]]), torch.zeros(1, dtype=torch.int64)
    roi_align_each([feature], [rois, rois], [level, level], [4], 4, 2).sum().backward()
    assert feature.grad is not None
    assert feature.grad.is_contiguous(memory_format=torch.channels_last)


def test_a_linear_ramp_is_read_at_the_cell_centres():
    # On a ramp bilinear interpolation is exact, so each output is the ramp at its cell's centre: no half-pixel shift.
    ramp = torch.arange(32.0).repeat(32, 1)[None, None]
    pooled = roi_align([ramp], torch.tensor([[4.0, 4.0, 20.0, 20.0]]), torch.zeros(1, dtype=torch.int64), [1], 4, 2)
    torch.testing.assert_close(pooled[0, 0, 0], torch.tensor([6.0, 10.0, 14.0, 18.0]))


def test_the_maps_of_several_pictures_are_refused() -> None:
    with pytest.raises(ValueError, match="one picture"):
        roi_align([torch.zeros(2, 3, 8, 8)], torch.zeros(1, 4), torch.zeros(1, dtype=torch.int64), [4], 4, 2)


def test_gradients_are_those_of_finite_differences() -> None:
    """Against finite differences in double precision, with the tolerances of `gradcheck`."""
    generator = torch.Generator().manual_seed(0)
    features = [torch.randn(1, 2, 4, 5, dtype=torch.float64, generator=generator, requires_grad=True)]
    rois = torch.tensor([[1.0, 2.0, 11.0, 13.0], [0.0, 0.0, 20.0, 16.0]], dtype=torch.float64)

    def pooled(feature: Tensor) -> Tensor:
        return roi_align([feature], rois, torch.zeros(2, dtype=torch.int64), [4], 2, 2)

    assert torch.autograd.gradcheck(pooled, features)
