"""4-bit matrices in ONNX: how groups are rounded, packed and multiplied."""

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, numpy_helper
from onnx.parser import parse_model

from export.backends.onnx.groups import store_in_groups

GROUP = 32


def product(weight: np.ndarray) -> onnx.ModelProto:
    """A (2, K) by (K, N) product."""
    inner, outer = weight.shape
    model = parse_model(
        f"""<ir_version: 10, opset_import: ["" : 20]>
        layer (float[2, {inner}] x) => (float[2, {outer}] y) {{ y = MatMul(x, w) }}"""
    )
    model.graph.node[0].name = "layer/MatMul"
    model.graph.initializer.append(numpy_helper.from_array(weight, "w"))
    return model


def read_back(model: onnx.ModelProto) -> tuple[np.ndarray, np.ndarray]:
    """Unpack what MatMulNBits reads: (N, K) values from -8 to 7 and (N, groups) steps, by its documentation.

    Bytes hold two values, the first in the low half; 8 stands for zero.
    """
    tensors = {item.name: numpy_helper.to_array(item) for item in model.graph.initializer}
    node = next(node for node in model.graph.node if node.op_type == "MatMulNBits")
    packed, steps = (tensors[name] for name in node.input[1:3])
    values = np.stack([packed & 15, packed >> 4], axis=-1).reshape(packed.shape[0], -1).astype(int) - 8
    return values, steps.reshape(packed.shape[0], -1)


class TestStoreInGroups:
    def test_half_a_byte_a_weight_and_a_scale_a_group_are_in_the_file(self):
        weight = np.random.default_rng(0).standard_normal((64, 8)).astype(np.float32)
        stored = store_in_groups(product(weight), ["layer/MatMul"], GROUP)
        (node,) = stored.graph.node
        assert (node.op_type, node.domain) == ("MatMulNBits", "com.microsoft")
        facts = {item.name: item.i for item in node.attribute}
        assert (facts["bits"], facts["block_size"], facts["K"], facts["N"]) == (4, 32, 64, 8)
        tensors = {item.name: item for item in stored.graph.initializer if item.name in node.input}
        packed, steps = (tensors[name] for name in node.input[1:])
        assert (packed.data_type, len(packed.raw_data)) == (TensorProto.UINT8, 64 * 8 // 2)
        assert (steps.data_type, len(steps.raw_data)) == (TensorProto.FLOAT, 64 // 32 * 8 * 4)

    @given(seed=st.integers(0, 1000), spread=st.floats(0.01, 100.0))
    @settings(max_examples=20)
    def test_a_weight_is_within_half_a_step_of_its_group_or_at_the_end_within_one(self, seed, spread):
        weight = (np.random.default_rng(seed).standard_normal((64, 3)) * spread).astype(np.float32)
        values, steps = read_back(store_in_groups(product(weight), ["layer/MatMul"], GROUP))
        step = np.repeat(steps, GROUP, axis=1)
        error = np.abs(values * step - weight.T) / np.abs(step)
        # From -8 to 7: the largest of a group is at -8 exactly, and its opposite is one step short.
        assert error.max() <= 1.0 + 1e-4
        assert error[values < 7].max() <= 0.5 + 1e-4

    def test_the_product_is_that_of_the_rounded_weights(self):
        weight = np.random.default_rng(1).standard_normal((64, 8)).astype(np.float32)
        rows = np.random.default_rng(2).integers(-127, 128, (2, 64)).astype(np.float32)
        rows[:, [0, 32]] = 127.0  # each group's int8 step is then 1, and rows are not rounded
        stored = store_in_groups(product(weight), ["layer/MatMul"], GROUP)
        values, steps = read_back(stored)
        expected = rows @ (values * np.repeat(steps, GROUP, axis=1)).T
        session = onnxruntime.InferenceSession(stored.SerializeToString(), providers=["CPUExecutionProvider"])
        (given,) = session.run(None, {"x": rows})
        np.testing.assert_allclose(given, expected, rtol=1e-4, atol=1e-2)  # of sums of some hundreds

    @pytest.mark.parametrize("names", [[], ["other/MatMul"]])
    def test_what_is_not_named_stays(self, names):
        weight = np.ones((64, 8), np.float32)
        assert [node.op_type for node in store_in_groups(product(weight), names, GROUP).graph.node] == ["MatMul"]

    def test_a_table_that_is_read_twice_has_float16_scales_and_float32_rows(self):
        """Rows in groups of 32: a weight is within half a step, or, at the upper end of -8 to 7, within a whole one."""
        table = np.random.default_rng(3).standard_normal((20, 64)).astype(np.float32)
        model = parse_model(
            """<ir_version: 10, opset_import: ["" : 21]>
            words (int64[4] first, int64[2] second) => (float[4, 64] a, float[2, 64] b) {
                a = Gather(table, first) b = Gather(table, second)
            }"""
        )
        names = ["first/Gather", "second/Gather"]
        for node, name in zip(model.graph.node, names, strict=True):
            node.name = name
        model.graph.initializer.append(numpy_helper.from_array(table, "table"))
        stored = store_in_groups(model, names, GROUP)
        read = {name for node in stored.graph.node for name in node.input}
        kinds = [item.data_type for item in stored.graph.initializer if item.name in read]
        assert set(kinds) == {TensorProto.INT4, TensorProto.FLOAT16}
        session = onnxruntime.InferenceSession(stored.SerializeToString(), providers=["CPUExecutionProvider"])
        first, second = np.array([0, 19, 3, 3]), np.array([7, 0])
        given = np.concatenate(session.run(None, {"first": first, "second": second}))
        wanted = table[np.concatenate([first, second])].reshape(6, 2, GROUP)
        steps = np.abs(wanted).max(axis=2, keepdims=True) / 8
        assert given.dtype == np.float32
        assert (np.abs(given.reshape(wanted.shape) - wanted) / steps).max() <= 1.01
