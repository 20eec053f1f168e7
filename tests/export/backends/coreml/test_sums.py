"""Sums of whole numbers with zeros of their own, in programs made by hand, against what NumPy adds up in int64.

Programs compute in float32, so that nothing is rounded on the way: what is apart is apart by mistake.
"""

from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from export.backends.coreml.arithmetic import integer_layers
from export.core.integers import IntegerLayer, Integers
from export.core.methods import Method
from export.core.precision import Decision, Kind, Mode, Rule
from export.mil.executor import read_functions
from export.verify.arithmetic import verify_arithmetic
from minivlm.quiet import quiet
from tests.export.mil.programs import saved

ROWS, WIDTH = 8, 64
STEP, ZERO = np.float32(0.05), 3
"""Of inputs."""
WEIGHT_ZERO = 2
RULE = Rule(("*",), Mode.STATIC)


@pytest.fixture
def method() -> Method:
    torch.manual_seed(0)
    model = nn.Sequential(OrderedDict(fc=nn.Linear(WIDTH, ROWS)))
    return Method("main", model, {"x": torch.randn(4, WIDTH)}, ("y",))


def quantized(weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Whole numbers around `WEIGHT_ZERO` and their scales, by plain arithmetic; 120 steps leave room for the zero."""
    flat = weight.reshape(len(weight), -1)
    scale = (np.abs(flat).max(axis=1, keepdims=True) / 120).astype(np.float32)
    data = np.rint(flat / scale) + WEIGHT_ZERO
    return data.astype(np.int8).reshape(weight.shape), scale.reshape(-1, *[1] * (weight.ndim - 1))


def around_layer(mb: Any, x: Any, weight: np.ndarray, read_zero: int, weight_zero: int) -> tuple[Any, Any]:
    """Quantize and dequantize of an input, and a stored weight."""
    whole = mb.quantize(input=x, scale=STEP, zero_point=np.int8(ZERO), output_dtype="int8")
    floats = mb.dequantize(input=whole, scale=STEP, zero_point=np.int8(read_zero))
    data, scale = quantized(weight)
    offset = np.full(scale.shape, weight_zero, np.int8)
    return floats, mb.constexpr_blockwise_shift_scale(data=data, scale=scale, offset=offset)


def layer_of(path: Path, method: Method) -> IntegerLayer:
    with quiet():
        (one,) = integer_layers(read_functions(path)["main"], method)
    return one


def made(folder: Path, method: Method, *, read_zero: int = ZERO, weight_zero: int = WEIGHT_ZERO) -> Path:
    layer = method.module.get_submodule("fc")
    weight, bias = (getattr(layer, name).detach().numpy() for name in ("weight", "bias"))

    def program(mb):
        def body(x):
            floats, stored = around_layer(mb, x, weight, read_zero, weight_zero)
            return mb.linear(x=floats, weight=stored, bias=bias, name="fc__linear")

        return body

    return saved([((4, WIDTH), "fp32")], program, folder / "made.mlpackage")


def failures(path: Path, method: Method) -> list[str]:
    told = Integers([Decision("fc", Kind.LINEAR, RULE)], [layer_of(path, method)])
    return [metric.name for metric in verify_arithmetic(method, told) if not metric.passed]


def test_the_sums_of_a_static_layer_are_numpy_s(method, tmp_path):
    path = made(tmp_path, method)
    one = layer_of(path, method)
    data, scale = quantized(method.module.get_submodule("fc").weight.detach().numpy())
    rows = np.clip(np.rint(method.inputs["x"].numpy() / STEP) + ZERO, -128, 127).astype(np.int64) - ZERO
    sums = rows @ (data.astype(np.int64) - WEIGHT_ZERO).T
    bias = method.module.get_submodule("fc").bias.detach().numpy().astype(np.float64)
    expected = sums * (float(STEP) * scale[:, 0].astype(np.float64)) + bias
    np.testing.assert_allclose(one.run.expected.numpy(), expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(one.run.given.numpy(), expected, rtol=0, atol=1e-5)
    assert failures(path, method) == []


def test_a_zero_that_inputs_are_read_by_and_that_is_one_off_is_found(method, tmp_path):
    path = made(tmp_path, method, read_zero=ZERO + 1)
    assert failures(path, method) == ["integer arithmetic: worst difference in steps, fc"]


def test_a_zero_of_weights_that_is_one_off_is_found(method, tmp_path):
    path = made(tmp_path, method, weight_zero=WEIGHT_ZERO + 1)
    assert failures(path, method) == ["stored weights: worst difference in steps, fc"]


def test_a_convolution_is_padded_strided_and_grouped_as_the_program_says(tmp_path):
    """Cell by cell, in NumPy: 2 groups, one column before and one row behind, every second row."""
    generator = np.random.default_rng(0)
    weight = generator.standard_normal((4, 2, 3, 2)).astype(np.float32)
    method = Method("main", nn.Identity(), {"x": torch.from_numpy(generator.standard_normal((1, 4, 5, 5))).float()}, ())

    def program(mb):
        def body(x):
            floats, stored = around_layer(mb, x, weight, ZERO, WEIGHT_ZERO)
            pad = np.array([0, 1, 1, 0], np.int32)
            return mb.conv(
                x=floats, weight=stored, pad_type="custom", pad=pad, strides=[2, 1], groups=2, name="fc__conv"
            )

        return body

    run = layer_of(saved([((1, 4, 5, 5), "fp32")], program, tmp_path / "conv.mlpackage"), method).run
    data, scale = quantized(weight)
    cells = np.clip(np.rint(method.inputs["x"].numpy()[0] / STEP) + ZERO, -128, 127).astype(np.int64) - ZERO
    cells = np.pad(cells, ((0, 0), (0, 1), (1, 0)))
    whole = data.astype(np.int64) - WEIGHT_ZERO
    expected = np.zeros((4, 2, 5))
    for row, top, left in np.ndindex(expected.shape):
        group = row // 2
        window = cells[2 * group : 2 * group + 2, 2 * top : 2 * top + 3, left : left + 2]
        expected[row, top, left] = (window * whole[row]).sum() * float(STEP) * float(scale[row, 0, 0, 0])
    np.testing.assert_allclose(run.expected.numpy()[0], expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(run.given.numpy()[0], expected, rtol=0, atol=1e-5)
