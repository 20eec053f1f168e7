"""Whole numbers of .pte files: read back as they are, and each operator's sums against what NumPy adds up.

Files are made, changed in one number, and held against the model.
"""

import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from export.backends.executorch import arithmetic
from export.backends.executorch.arithmetic import Operator, operators_of
from export.backends.executorch.rules import INT8
from export.backends.executorch.watching import watch
from export.core.catalogue import fusion_method, regions_method
from export.core.methods import Method
from export.core.precision import Mode, Rule
from minivlm.images.photos import default_photo
from minivlm.weights.loading import create_model
from tests.export.backends.executorch.built import BuiltFile, built, change, change_graph, parts
from tests.export.whole_numbers import assert_sums_are_equal


@pytest.fixture(scope="module", params=["int8", "int4"])
def either(request: pytest.FixtureRequest) -> BuiltFile:
    return built(parts(), request.param)


@pytest.fixture(scope="module")
def int8() -> BuiltFile:
    return built(parts(), "int8")


@pytest.fixture(scope="module")
def int4() -> BuiltFile:
    return built(parts(), "int4")


STATIC, DEPTHWISE, LINEAR, GROUPED = "backbone.0", "backbone.2", "box_head", "encoder"
WORDS, KEPT = "embeddings.words", "conv_stem"
WEIGHTS, SUMS = "stored weights: worst difference in steps", "integer arithmetic: worst difference in steps"


def transformer() -> Method:
    return fusion_method("forward", create_model("minilm-tiny"))


def test_every_layer_is_there_and_its_sums_are_equal_whole_number_by_whole_number(either):
    layers = either.layers(either.file)
    bits = {one.layer: one.weight.bits for one in layers if one.weight is not None}
    few = int(either.recipe.precision.removeprefix("int"))  # rules: matrices and words of a transformer
    assert bits == {
        "embeddings.words": few,
        "embeddings.types": 8,
        "encoder": few,
        "box_head": 8,
        "conv_stem": 32,
        "backbone.0": 8,
        "backbone.2": 8,
        "backbone.4": 8,
    }
    assert_sums_are_equal([one.run for one in layers if one.run is not None])
    assert either.failures(either.file) == []


@pytest.mark.parametrize("precision", ["int8", "int4"])
def test_those_of_a_transformer_are_too(precision):
    made = built(transformer(), precision)
    assert_sums_are_equal([one.run for one in made.layers(made.file) if one.run is not None])
    assert made.failures(made.file) == []


EVERYTHING = (Rule(("rpn",), Mode.FLOAT), *(rule for rule in INT8 if rule.mode is not Mode.FLOAT))


@pytest.mark.full
@pytest.mark.parametrize("rules", [INT8, EVERYTHING], ids=["the table", "everything"])
def test_those_of_a_detector_are_too(rules):
    """What is int8 again is the very number, but for one in a thousand, which are one off: those that lie at a half."""
    method = regions_method("forward", create_model("tee-tiny"), None, default_photo())
    made = built(method, "int8", rules)
    runs = [one.run for one in made.layers(made.file) if one.run is not None]
    assert_sums_are_equal(runs)
    whole = [run for run in runs if run.step.tolist() == [1.0]]
    assert len(whole) > len(runs) / 2
    apart = torch.cat([(run.given - run.expected).abs().flatten() for run in whole])
    assert apart.max() <= 1.0
    assert apart.mean() < 1e-3
    assert made.failures(made.file) == []


class Pooled(nn.Module):
    """A map that is pooled between two convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(3, 8, 1), nn.MaxPool2d(3, 2, padding=1), nn.Conv2d(8, 4, 1))

    def forward(self, image: Tensor) -> tuple[Tensor]:
        return (self.backbone(image),)


def test_a_pooling_picks_whole_numbers_and_keeps_their_scale():
    torch.manual_seed(0)
    method = Method("forward", Pooled().eval(), {"image": torch.randn(1, 3, 9, 7)}, ("maps",))
    made = built(method, "int8")
    (pooling,) = (one for one in operators_of(made.file, "forward", made.names) if one.type == "XNNMaxPooling2d")
    assert pooling.whole
    assert pooling.graph.scale(pooling.inputs[0]) == pooling.graph.scale(pooling.output)
    runs = [one.run for one in made.layers(made.file) if one.run is not None]
    assert_sums_are_equal(runs)
    assert made.failures(made.file) == []


def scale_halved(file: Any, operator: Operator) -> None:
    def edit(scales: Any) -> None:
        scales[5] /= 2

    change(file, operator, "scales", np.float32, edit)


def row_shifted(file: Any, operator: Operator) -> None:
    shape = operator.graph.tensor(operator.held["filter_id"])["dims"]

    def edit(values: Any) -> None:
        numbers = values.reshape(shape)
        row = numbers[..., 5] if operator.type == "XNNDepthwiseConv2d" else numbers[5]
        row -= 1

    change(file, operator, "filter_id", np.int8, edit)


@pytest.mark.parametrize("fault", [scale_halved, row_shifted])
@pytest.mark.parametrize("layer", [STATIC, DEPTHWISE, LINEAR])
def test_one_wrong_number_of_a_layer_is_found(
    fault: Callable[[Any, Operator], None], layer: str, int8: BuiltFile
) -> None:
    file = int8.file
    fault(file, int8.operator(file, layer))
    assert int8.failures(file) == [f"{WEIGHTS}, {layer}"]


def test_a_bias_of_whole_numbers_that_is_one_step_off_is_found(int8):
    def edit(biases: Any) -> None:
        biases[3] += 1

    file = int8.file
    change(file, int8.operator(file, STATIC), "bias_id", np.int32, edit)
    assert int8.failures(file) == [f"{WEIGHTS}, {STATIC}"]


def test_a_bias_in_float_that_is_another_is_found(int8):
    def edit(biases: Any) -> None:
        biases[3] *= 1.001

    file = int8.file
    change(file, int8.operator(file, LINEAR), "bias_id", np.float32, edit)
    assert int8.failures(file) == [f"float weights: worst difference, {LINEAR}"]


def test_a_weight_in_float_that_is_another_is_found(int8):
    def edit(values: Any) -> None:
        values *= 1.001

    file = int8.file
    change(file, int8.operator(file, KEPT), "filter_id", np.float32, edit)
    assert int8.failures(file) == [f"float weights: worst difference, {KEPT}"]


def test_one_wrong_scale_of_a_group_is_found(int4):
    def edit(halves: Any) -> None:
        halves[7] -= 1 << 7  # bfloat16: eight bits of exponent above seven of fraction, so that this is the half

    file = int4.file
    change(file, int4.operator(file, GROUPED), "scales", np.uint16, edit)
    assert int4.failures(file) == [f"{WEIGHTS}, {GROUPED}"]


def test_four_bits_that_are_another_number_are_found(int4):
    def edit(pairs: Any) -> None:
        pairs[3] ^= 4  # of the low half: four steps up or down

    file = int4.file
    change(file, int4.operator(file, GROUPED), "filter_id", np.uint8, edit)
    assert int4.failures(file) == [f"{WEIGHTS}, {GROUPED}"]


@pytest.mark.parametrize("dtype", ["CHAR", "FLOAT"], ids=["row", "scale"])
def test_one_wrong_number_of_a_table_is_found(dtype, int8):
    """The program's own constants: 50 words of 64 numbers, and a scale for each."""
    file = int8.file
    values = [one.val for one in file.program.execution_plan[0].values]
    sizes = {"CHAR": [50, 64], "FLOAT": [50, 1]}[dtype]
    (held,) = (
        one
        for one in values
        if getattr(one, "sizes", None) == sizes and one.data_buffer_idx and one.scalar_type.name == dtype
    )
    buffer = file.program.constant_buffer[held.data_buffer_idx]
    array = np.frombuffer(buffer.storage, {"CHAR": np.int8, "FLOAT": np.float32}[dtype], count=sizes[0] * sizes[1])
    array = array.reshape(sizes).copy()
    array[5] = array[5] // 2 if dtype == "CHAR" else array[5] / 2
    buffer.storage = array.tobytes()
    assert int8.failures(file) == [f"{WEIGHTS}, {WORDS}"]


def test_a_scale_of_an_input_that_is_halved_is_found_in_the_bias(int8):
    """A bias is in steps of the input's scale by the weight's: read by half of it, it is half of the model's."""
    file = int8.file
    operator = int8.operator(file, "backbone.4")

    def edit(graph: dict[str, Any]) -> None:
        held = graph["xvalues"][operator.held["input1_id"]]["xvalue_union"]["quant_params"]
        scale = operator.graph.scale(operator.held["input1_id"])[0]
        (held["scale"],) = struct.unpack("<I", struct.pack("<f", scale / 2))

    change_graph(file, operator, edit)
    assert f"{WEIGHTS}, backbone.4" in int8.failures(file)


@pytest.mark.parametrize("layer", [STATIC, DEPTHWISE, LINEAR])
def test_a_runtime_that_adds_up_other_numbers_is_found(layer, int8, monkeypatch):
    """What runs has one row two steps lower than what is read."""
    file, other = int8.file, int8.file
    for _ in range(2):
        row_shifted(other, int8.operator(other, layer))
    monkeypatch.setattr(arithmetic, "watch", lambda _, method, places: watch(other, method, places))
    assert int8.failures(file) == [f"{SUMS}, {layer}"]


def test_a_runtime_that_looks_up_other_rows_is_found(int8, monkeypatch):
    def other(file: Any, method: Method, places: Any) -> Any:
        seen = watch(file, method, places)
        return {
            place: value.roll(1, 0) if value.shape[0] == 7 and value.dim() == 3 else value
            for place, value in seen.items()
        }

    monkeypatch.setattr(arithmetic, "watch", other)
    assert any(name.startswith(f"{SUMS}, embeddings") for name in int8.failures(int8.file))


def test_the_sums_of_a_static_convolution_are_numpy_s(int8):
    """A convolution of single cells is a product: by integers of NumPy, from the file and the runtime's values."""
    file, layer = int8.file, "backbone.4"
    operator = int8.operator(file, layer)
    graph, held = operator.graph, operator.held
    seen = watch(file, int8.method, operator.places)
    source, given = (seen[place].numpy().astype(np.int64) for place in operator.places)
    read, read_zero = graph.scale(held["input1_id"])
    write, write_zero = graph.scale(held["output_id"])
    weights = graph.numbers(held["filter_id"]).numpy().astype(np.int64).reshape(4, 8)
    sums = (source - read_zero) @ weights.T + graph.numbers(held["bias_id"]).numpy()
    scales = graph.weight_scales(held["filter_id"])[0].flatten().double().numpy() * read
    expected = np.clip(np.rint(sums * scales / write) + write_zero, -128, 127)
    np.testing.assert_array_equal(given, expected)
    (one,) = [item for item in int8.layers(file) if item.layer == layer and item.weight is not None]
    assert one.run is not None
    np.testing.assert_array_equal(one.run.expected.numpy(), expected)


def test_a_layer_that_is_asked_to_stay_in_float_has_the_model_s_weights(int8):
    layers = {one.layer: one for one in int8.layers(int8.file) if one.weight is not None}
    weight = layers[KEPT].weight
    assert weight is not None
    assert layers[KEPT].run is None
    assert torch.equal(weight.values, int8.method.module.get_submodule(KEPT).weight)
