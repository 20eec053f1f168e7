"""int8 ONNX graphs: what is rounded and by how much, what stays in float, and which layer is blamed."""

import numpy as np
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from onnx.parser import parse_model

from export.backends.onnx.quantize import drop_unused_weights, layers, quantize, store_int8_weights
from export.backends.onnx.rules import INT8
from export.core.methods import Method
from export.core.precision import Mode, Rule, in_float, kept_in_float
from export.core.ranges import Spread
from export.core.recipe import Recipe
from export.verify.layers import weakest_layer
from export.verify.metrics import sqnr

WIDTH = 64


def chain(scales: dict[str, float]) -> tuple:
    """Layers in a row, each a product with a random matrix; `scales` gives the size of one column of each input."""
    generator = np.random.default_rng(0)
    nodes, weights, value = [], [], "x"
    for name, scale in scales.items():
        stretch = np.ones(WIDTH, np.float32)
        stretch[0] = scale
        weight = generator.standard_normal((WIDTH, WIDTH)).astype(np.float32) / WIDTH**0.5
        weight[0] = 0.0  # the stretched column adds nothing: all it does is to take the int8 range
        weights += [numpy_helper.from_array(stretch, f"{name}.stretch"), numpy_helper.from_array(weight, f"{name}.w")]
        nodes.append(helper.make_node("Mul", [value, f"{name}.stretch"], [f"{name}.in"], name=f"{name}/Mul"))
        nodes.append(helper.make_node("MatMul", [f"{name}.in", f"{name}.w"], [f"{name}.out"], name=f"{name}/MatMul"))
        value = f"{name}.out"
    graph = helper.make_graph(
        nodes,
        "chain",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [4, WIDTH])],
        [helper.make_tensor_value_info(value, TensorProto.FLOAT, [4, WIDTH])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    x = torch.randn(4, WIDTH, generator=torch.Generator().manual_seed(0))
    return model, Method("forward", torch.nn.Identity(), {"x": x}, (value,))


def run(model, method) -> torch.Tensor:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return torch.from_numpy(session.run(None, {name: item.numpy() for name, item in method.inputs.items()})[0])


class TestStoredWeights:
    @pytest.fixture
    def convolution(self) -> tuple:
        weight = np.random.default_rng(1).standard_normal((5, 8, 1, 1)).astype(np.float32)
        model = parse_model(
            """<ir_version: 10, opset_import: ["" : 20]>
            layer (float[1, 8, 3, 3] x) => (float[1, 5, 3, 3] y) { same = Identity(x) y = Conv(same, w) }"""
        )
        model.graph.initializer.append(numpy_helper.from_array(weight, "w"))
        model.graph.node[1].name = "layer/Conv"
        x = torch.randn(1, 8, 3, 3, generator=torch.Generator().manual_seed(0))
        return model, Method("forward", torch.nn.Identity(), {"x": x}, ("y",))

    def test_are_int8_in_the_file_and_floats_of_the_same_product(self, convolution):
        model, method = convolution
        samples = [{"x": method.inputs["x"].numpy()}]
        stored = store_int8_weights(model, [model.graph.node[1]], samples)
        tensors = {item.name: item for item in stored.graph.initializer}
        assert {name: item.data_type for name, item in tensors.items()} == {
            "w_int8": TensorProto.INT8,
            "w_scale": TensorProto.FLOAT,
        }
        values, scale = (numpy_helper.to_array(tensors[name]) for name in ("w_int8", "w_scale"))
        rounded = torch.from_numpy(values * scale.reshape(-1, 1, 1, 1))
        expected = torch.nn.functional.conv2d(method.inputs["x"], rounded)
        torch.testing.assert_close(run(stored, method), expected, atol=1e-5, rtol=1e-5)
        assert sqnr(run(model, method), run(stored, method)) > 35.0  # 8 bits over 2 to 3 standard deviations: 43 dB

    def test_leave_what_nobody_reads_any_more(self):
        model, _ = chain({"only": 1.0})
        model.graph.initializer.append(numpy_helper.from_array(np.ones(3, np.float32), "unread"))
        drop_unused_weights(model.graph)
        assert [item.name for item in model.graph.initializer] == ["only.stretch", "only.w"]


class TestTables:
    @pytest.mark.parametrize("mode", [Mode.WEIGHT_ONLY, Mode.DYNAMIC, Mode.STATIC])
    def test_a_detector_s_are_stored_in_int8_and_looked_up_in_float_whatever_the_rest_computes_in(self, mode):
        """One scale a table: 31 rows of 8 numbers, the largest of all at 127 steps."""
        table = np.random.default_rng(1).standard_normal((31, 8)).astype(np.float32)
        model = parse_model(
            """<ir_version: 10, opset_import: ["" : 20]>
            look_up (int64[4] ids) => (float[4, 8] y) { y = Gather(table, ids) }"""
        )
        model.graph.initializer.append(numpy_helper.from_array(table, "head.table.weight"))
        model.graph.node[0].name, model.graph.node[0].input[0] = "head.table/Gather", "head.table.weight"
        ids = torch.tensor([0, 30, 7, 7])
        method = Method("forward", torch.nn.Identity(), {"ids": ids}, ("y",), detector=True)
        recipe = Recipe("int8", (Rule(("head",), mode),))
        stored, decisions = quantize(model, method, recipe)
        assert [decision.layer for decision in decisions] == ["head.table"]
        assert {item.name: item.data_type for item in stored.graph.initializer} == {
            "head.table.weight_int8": TensorProto.INT8,
            "head.table.weight_scale": TensorProto.FLOAT,
        }
        step = np.abs(table).max() / 127
        given = run(stored, method)
        assert np.abs(given.numpy() - table[ids]).max() <= 0.501 * step
        assert not np.array_equal(given.numpy(), table[ids])


class TestStatic:
    STATIC = Recipe("int8", (Rule(("block",), Mode.STATIC),))

    @pytest.fixture
    def block(self) -> tuple:
        """A convolution, a ReLU6, and a convolution whose result is added to the input."""
        generator = np.random.default_rng(1)
        model = parse_model(
            """<ir_version: 10, opset_import: ["" : 20]>
            layer (float[1, 8, 5, 5] x) => (float[1, 8, 5, 5] y) <float zero = {0}, float six = {6}> {
                [wide] a = Conv(x, v) [clamp] b = Clip(a, zero, six) [narrow] c = Conv(b, w) [sum] y = Add(x, c)
            }"""
        )
        for name in ("v", "w"):
            weight = generator.standard_normal((8, 8, 1, 1)).astype(np.float32)
            model.graph.initializer.append(numpy_helper.from_array(weight, name))
        for node in model.graph.node:
            node.name = f"block.{node.name}/{node.op_type}"
        x = torch.randn(1, 8, 5, 5, generator=torch.Generator().manual_seed(0))
        return model, Method("forward", torch.nn.Identity(), {"x": x}, ("y",), detector=True)

    def test_a_clamp_becomes_the_range_of_the_layer_before_and_a_sum_is_of_integers(self, block, monkeypatch):
        model, method = block
        monkeypatch.setattr(Recipe, "samples", lambda recipe, method: [method.example])
        quantized, decisions = quantize(model, method, self.STATIC)
        assert in_float(decisions) == []
        assert "Clip" not in [node.op_type for node in quantized.graph.node]
        made = {name: node.op_type for node in quantized.graph.node for name in node.output}
        (total,) = (node for node in quantized.graph.node if node.op_type == "Add")
        assert [made[name] for name in total.input] == ["DequantizeLinear"] * 2
        # 255 steps over a range of 6 standard deviations or less: 44 dB, of an input, a layer, a layer and a sum.
        assert sqnr(run(model, method), run(quantized, method)) > 44 - 10 * np.log10(4) - 3

    def test_numbers_are_rounded_in_the_range_that_costs_least_and_before_a_clamp_in_that_of_what_it_lets_pass(
        self, block, monkeypatch
    ):
        """Of Student's t with two degrees, whose ends are cut; PyTorch computes what convolution and clamp give.

        float32 has 24 bits, and sums in another order move the largest number by a few of the last.
        """
        model, method = block
        torch.manual_seed(0)
        samples = [(sample,) for sample in torch.distributions.StudentT(2.0).sample((30, 1, 8, 5, 5))]
        monkeypatch.setattr(Recipe, "samples", lambda recipe, method: samples)
        quantized, _ = quantize(model, method, self.STATIC)
        weight = torch.tensor(numpy_helper.to_array(model.graph.initializer[-2]))
        steps = {item.name: float(numpy_helper.to_array(item)) for item in quantized.graph.initializer if not item.dims}
        given, passed = Spread(), Spread()
        for (sample,) in samples:
            given.add(sample)
            passed.add(torch.nn.functional.conv2d(sample, weight).clamp(0.0, 6.0))
        for spread, name in ((given, "x"), (passed, "b")):
            low, high = spread.best(255)
            assert steps[f"{name}_scale"] == pytest.approx((high - low) / 255, rel=1e-5)
        assert steps["x_scale"] < 0.99 * (given.whole().high - given.whole().low) / 255


class TestDynamic:
    def test_products_with_weights_become_integer_products(self):
        model, method = chain({"a": 1.0, "b": 1.0})
        quantized, decisions = quantize(model, method, Recipe("int8", INT8))
        assert in_float(decisions) == []
        assert [node.op_type for node in quantized.graph.node].count("MatMulInteger") == 2
        # 8 bits over a range of about 3 standard deviations: 127 / 3 / sqrt(1 / 12) is 43 dB, twice in a row and twice
        # a product (weights and activations) costs 6 dB.
        assert sqnr(run(model, method), run(quantized, method)) > 34.0

    @pytest.mark.parametrize("pattern", ["a", "[a]*"])
    def test_layers_that_were_asked_to_stay_in_float_do_and_are_named(self, pattern):
        model, method = chain({"a": 1.0, "b": 1.0})
        quantized, decisions = quantize(model, method, Recipe("int8", (*kept_in_float([pattern]), *INT8)))
        assert in_float(decisions) == ["a"]
        operators = [node.op_type for node in quantized.graph.node]
        assert (operators.count("MatMul"), operators.count("MatMulInteger")) == (1, 1)

    def test_the_same_graph_gives_the_same_bytes(self):
        first, second = (quantize(*chain({"a": 1.0, "b": 3.0}), Recipe("int8", INT8))[0] for _ in range(2))
        assert first.SerializeToString(deterministic=True) == second.SerializeToString(deterministic=True)


def weakest(model, method, asked=()) -> str | None:
    return weakest_layer(method, layers(model, method, Recipe("int8", (*asked, *INT8))))


class TestWeakestLayer:
    def test_is_the_first_whose_input_leaves_no_room_for_the_rest(self):
        # One value of 10,000 beside values of 1: the step of int8 is 80 and the others all round to zero.
        model, method = chain({"a": 1.0, "b": 1e4, "c": 1.0})
        assert weakest(model, method) == "b"

    def test_is_none_where_all_layers_are_fine_or_the_bad_one_stays_in_float(self):
        assert weakest(*chain({"a": 1.0, "b": 1.0})) is None
        assert weakest(*chain({"a": 1.0, "b": 1e4}), kept_in_float(["b"])) is None
