"""The executor's operators against NumPy and PyTorch definitions of what MIL's documentation says."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from export.mil.executor import OPERATORS
from export.mil.network import padding
from minivlm.errors import UserError

quick = settings(max_examples=25, deadline=None)
seeds = st.integers(0, 2**31)


def normal(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def ints(*numbers: int) -> Tensor:
    return torch.tensor(numbers, dtype=torch.int32)


def test_casts_drop_what_is_behind_the_point_and_know_two_truths():
    x = torch.tensor([-1.7, -0.2, 0.0, 1.7])
    assert OPERATORS["cast"](x, "int32").tolist() == [-1.0, 0.0, 0.0, 1.0]
    assert OPERATORS["cast"](x, "bool").tolist() == [True, True, False, True]
    assert OPERATORS["cast"](x, "fp16").tolist() == x.tolist()  # the executor rounds


@quick
@given(seeds)
def test_elementwise_operators_equal_their_formulas(seed):
    x, y = normal(seed, 3, 1, 4), normal(seed + 1, 2, 1)
    a, b = x.double().numpy(), y.double().numpy()
    expected = {
        "add": a + b, "sub": a - b, "mul": a * b, "real_div": a / b,
        "maximum": np.maximum(a, b), "minimum": np.minimum(a, b),
    }  # fmt: skip
    for name, value in expected.items():
        # Tolerance: fp32 against the same formula in fp64.
        np.testing.assert_allclose(OPERATORS[name](x=x, y=y).numpy(), value, rtol=1e-6)
    single = {
        "abs": np.abs(a), "exp": np.exp(a), "floor": np.floor(a), "relu": a * (a > 0), "tanh": np.tanh(a),
        "relu6": np.clip(a, 0, 6),
        "sigmoid": 1 / (1 + np.exp(-a)), "silu": a / (1 + np.exp(-a)),
        "gelu": np.vectorize(lambda v: 0.5 * v * (1 + math.erf(v / math.sqrt(2))))(a),
    }  # fmt: skip
    for name, value in single.items():
        np.testing.assert_allclose(OPERATORS[name](x=x).numpy(), value, rtol=1e-5, atol=1e-7)
    clipped = OPERATORS["clip"](x=x, alpha=torch.tensor(-0.5), beta=torch.tensor(0.5))
    np.testing.assert_allclose(clipped.numpy(), np.clip(a, -0.5, 0.5), rtol=1e-6)


@quick
@given(st.integers(-100, 100), st.integers(1, 9))
def test_whole_numbers_divide_to_the_floor_and_stay_whole(dividend, divisor):
    result = OPERATORS["floor_div"](x=ints(dividend), y=ints(divisor))
    assert (result.dtype, result.tolist()) == (torch.int32, [dividend // divisor])


def test_comparisons_and_choices():
    x, y = torch.tensor([1.0, 2.0, 3.0]), torch.tensor(2.0)
    compared = {name: OPERATORS[name](x=x, y=y).tolist() for name in ("less", "less_equal", "equal", "not_equal")}
    assert compared == {
        "less": [True, False, False],
        "less_equal": [True, True, False],
        "equal": [False, True, False],
        "not_equal": [True, False, True],
    }
    assert OPERATORS["greater"](x=x, y=y).tolist() == [False, False, True]
    assert OPERATORS["greater_equal"](x=x, y=y).tolist() == [False, True, True]
    assert OPERATORS["select"](cond=x > y, a=x, b=torch.tensor(0.0)).tolist() == [0.0, 0.0, 3.0]
    # A NaN is neither greater nor smaller than anything.
    assert OPERATORS["greater"](x=torch.tensor(math.nan), y=y).item() is False


@quick
@given(seeds, st.integers(-2, 1))
def test_reductions_take_the_given_axes(seed, axis):
    x = normal(seed, 3, 4)
    a = x.double().numpy()
    for name, value in {"max": a.max(axis), "min": a.min(axis), "sum": a.sum(axis), "mean": a.mean(axis)}.items():
        result = OPERATORS[f"reduce_{name}"](x=x, axes=ints(axis), keep_dims=torch.tensor(False))
        np.testing.assert_allclose(result.numpy(), value, rtol=1e-5, atol=1e-6)  # sums of four fp32 numbers
        kept = OPERATORS[f"reduce_{name}"](x=x, axes=ints(axis), keep_dims=torch.tensor(True))
        assert kept.shape == a.sum(axis, keepdims=True).shape
    assert OPERATORS["reduce_argmax"](x=x, axis=ints(axis)[0]).tolist() == a.argmax(axis).tolist()
    assert OPERATORS["reduce_sum"](x=ints(1, 2, 3)).item() == 6


@quick
@given(st.lists(st.integers(0, 5), min_size=4, max_size=9), st.integers(1, 4), st.booleans())
def test_topk_sorts_and_leaves_equal_values_in_order(numbers, k, ascending):
    x = torch.tensor(numbers, dtype=torch.float32)
    values, indices = OPERATORS["topk"](x=x, k=torch.tensor(k), axis=torch.tensor(0), ascending=torch.tensor(ascending))
    expected = sorted(range(len(numbers)), key=lambda index: (numbers[index] if ascending else -numbers[index], index))
    assert indices.tolist() == expected[:k]
    assert values.tolist() == [numbers[index] for index in expected[:k]]


class TestShapes:
    X = torch.arange(24.0).reshape(2, 3, 4)

    def test_slices_follow_begins_ends_strides_and_masks(self):
        taken = OPERATORS["slice_by_index"](
            x=self.X,
            begin=ints(1, 0, 9),
            end=ints(2, -1, 9),
            stride=ints(1, 1, 2),
            begin_mask=torch.tensor([False, False, True]),
            end_mask=torch.tensor([False, False, True]),
            squeeze_mask=torch.tensor([True, False, False]),
        )
        assert np.array_equal(taken.numpy(), self.X.numpy()[1, 0:-1, ::2])
        one = OPERATORS["slice_by_index"](
            x=self.X, begin=ints(0, -1), end=ints(0, 0), squeeze_mask=torch.tensor([False, True]),
            end_mask=torch.tensor([True, False]),
        )  # fmt: skip
        assert np.array_equal(one.numpy(), self.X.numpy()[:, -1])

    @quick
    @given(st.lists(st.integers(-3, 2), min_size=1, max_size=4))
    def test_gather_takes_along_an_axis_and_counts_negatives_from_the_end(self, rows):
        indices = torch.tensor([rows, rows], dtype=torch.int32)
        taken = OPERATORS["gather"](x=self.X, indices=indices, axis=torch.tensor(1))
        assert np.array_equal(taken.numpy(), np.take(self.X.numpy(), indices.numpy(), axis=1))

    def test_gather_beyond_the_end_is_an_error(self):
        with pytest.raises(UserError, match="gather reads outside of 3 entries: from 0 to 3"):
            OPERATORS["gather"](x=self.X, indices=ints(0, 3), axis=torch.tensor(1))

    def test_reshape_fills_in_what_is_left_and_what_stays(self):
        assert OPERATORS["reshape"](x=self.X, shape=ints(0, -1)).shape == (2, 12)

    def test_axes_come_and_go(self):
        assert OPERATORS["expand_dims"](x=self.X, axes=ints(0, -1)).shape == (1, 2, 3, 4, 1)
        assert OPERATORS["squeeze"](x=self.X[None, :, :1], axes=ints(0)).shape == (2, 1, 4)
        assert OPERATORS["squeeze"](x=self.X[None, :, :1]).shape == (2, 4)
        assert np.array_equal(
            OPERATORS["transpose"](x=self.X, perm=ints(2, 0, 1)).numpy(), self.X.numpy().transpose(2, 0, 1)
        )

    def test_parts_are_split_and_joined(self):
        even = OPERATORS["split"](x=self.X, axis=torch.tensor(2), num_splits=torch.tensor(2))
        assert [part.shape[2] for part in even] == [2, 2]
        uneven = OPERATORS["split"](x=self.X, axis=torch.tensor(2), split_sizes=ints(1, 3))
        assert torch.equal(OPERATORS["concat"](values=uneven, axis=torch.tensor(2)), self.X)
        assert OPERATORS["stack"](values=[self.X, self.X], axis=torch.tensor(1)).shape == (2, 2, 3, 4)
        assert np.array_equal(
            OPERATORS["tile"](x=self.X, reps=ints(1, 2, 1)).numpy(), np.tile(self.X.numpy(), (1, 2, 1))
        )

    def test_upsampling_repeats_cells(self):
        grown = OPERATORS["upsample_nearest_neighbor"](
            x=self.X[None], scale_factor_height=torch.tensor(2.0), scale_factor_width=torch.tensor(3.0)
        )
        assert np.array_equal(grown.numpy(), np.kron(self.X.numpy()[None], np.ones((1, 1, 2, 3))))

    def test_bands_keep_diagonals(self):
        x = self.X[0].numpy()
        kept = OPERATORS["band_part"](x=self.X[0], lower=torch.tensor(1), upper=torch.tensor(0))
        assert np.array_equal(kept.numpy(), np.triu(np.tril(x), -1))
        assert torch.equal(OPERATORS["band_part"](x=self.X[0]), self.X[0])


class TestNetworks:
    @quick
    @given(seeds, st.integers(1, 3), st.integers(1, 2), st.sampled_from([1, 2]))
    def test_convolutions_equal_sums_over_windows(self, seed, kernel, stride, groups):
        x, weight, bias = normal(seed, 1, 4, 6, 7), normal(seed + 1, 6, 4 // groups, kernel, kernel), normal(seed, 6)
        given = OPERATORS["conv"](
            x=x, weight=weight, bias=bias, strides=ints(stride, stride), pad_type="custom", pad=ints(1, 0, 2, 1),
            groups=torch.tensor(groups),
        )  # fmt: skip
        padded = np.pad(x.double().numpy()[0], ((0, 0), (1, 0), (2, 1)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, (kernel, kernel), (1, 2))[:, ::stride, ::stride]
        parts = zip(np.split(windows, groups), np.split(weight.double().numpy(), groups), strict=True)
        expected = np.concatenate([np.einsum("chwij,ocij->ohw", *part) for part in parts])
        # Tolerance: fp32 sums of up to 36 products.
        np.testing.assert_allclose(given.numpy()[0], expected + bias.numpy()[:, None, None], rtol=1e-4, atol=1e-4)

    @quick
    @given(seeds, st.integers(1, 3), st.integers(1, 2))
    def test_pooling_takes_the_largest_or_the_mean_of_windows(self, seed, kernel, stride):
        x = normal(seed, 1, 2, 6, 7)
        arguments = {"kernel_sizes": ints(kernel, kernel), "strides": ints(stride, stride)}
        windows = np.lib.stride_tricks.sliding_window_view(x.numpy(), (kernel, kernel), (2, 3))[
            :, :, ::stride, ::stride
        ]
        largest = OPERATORS["max_pool"](x=x, pad_type="valid", **arguments)
        np.testing.assert_allclose(largest.numpy(), windows.max((4, 5)), rtol=0)
        mean = OPERATORS["avg_pool"](x=x, pad_type="valid", **arguments)
        np.testing.assert_allclose(mean.numpy(), windows.mean((4, 5)), rtol=1e-5, atol=1e-6)

    def test_padding_is_never_the_largest_and_may_be_left_out_of_the_mean(self):
        x = -torch.ones(1, 1, 2, 2)
        arguments = {"kernel_sizes": ints(3, 3), "strides": ints(1, 1), "pad_type": "custom", "pad": ints(1, 1, 1, 1)}
        assert OPERATORS["max_pool"](x=x, **arguments).unique().tolist() == [-1.0]
        pooled = OPERATORS["avg_pool"](x=x, **arguments, exclude_padding_from_average=torch.tensor(False))
        torch.testing.assert_close(pooled.unique(), torch.tensor([-4.0 / 9.0]))
        left_out = OPERATORS["avg_pool"](x=x, **arguments, exclude_padding_from_average=torch.tensor(True))
        torch.testing.assert_close(left_out.unique(), torch.tensor([-1.0]))

    @quick
    @given(st.integers(1, 20), st.integers(1, 5), st.integers(1, 3))
    def test_same_padding_gives_the_size_over_the_stride_rounded_up(self, size, kernel, stride):
        upper = padding("same", None, [size], [kernel], [stride], [1])
        lower = padding("same_lower", None, [size], [kernel], [stride], [1])
        assert lower == upper[::-1]
        assert upper[1] - upper[0] in (0, 1)
        if stride <= kernel:  # else the last stride may reach beyond the windows
            assert (size + sum(upper) - kernel) // stride + 1 == -(-size // stride)

    @quick
    @given(seeds)
    def test_products_norms_and_softmax_equal_their_formulas(self, seed):
        x, weight, bias = normal(seed, 2, 3, 8), normal(seed + 1, 5, 8), normal(seed + 2, 5)
        a, w = x.double().numpy(), weight.double().numpy()
        linear = OPERATORS["linear"](x=x, weight=weight, bias=bias)
        np.testing.assert_allclose(linear.numpy(), a @ w.T + bias.numpy(), rtol=1e-4, atol=1e-5)
        product = OPERATORS["matmul"](x=x, y=weight, transpose_y=torch.tensor(True))
        np.testing.assert_allclose(product.numpy(), a @ w.T, rtol=1e-4, atol=1e-5)
        left = OPERATORS["matmul"](
            x=x.transpose(1, 2), y=x, transpose_x=torch.tensor(True), transpose_y=torch.tensor(True)
        )
        np.testing.assert_allclose(left.numpy(), a @ a.transpose(0, 2, 1), rtol=1e-4, atol=1e-5)
        norm = OPERATORS["layer_norm"](x=x, axes=ints(-1), gamma=weight[0], beta=weight[1], epsilon=torch.tensor(1e-3))
        mean, variance = a.mean(-1, keepdims=True), a.var(-1, keepdims=True)
        expected = (a - mean) / np.sqrt(variance + 1e-3) * w[0] + w[1]
        np.testing.assert_allclose(norm.numpy(), expected, rtol=1e-4, atol=1e-5)
        share = np.exp(a) / np.exp(a).sum(1, keepdims=True)
        np.testing.assert_allclose(OPERATORS["softmax"](x=x, axis=torch.tensor(1)).numpy(), share, rtol=1e-5)


class TestQuantization:
    @quick
    @given(seeds, st.floats(0.01, 1.0))
    def test_an_8_bit_round_trip_is_off_by_half_a_step_at_most(self, seed, step):
        x, scale = normal(seed, 50), torch.tensor(step)
        eight = OPERATORS["quantize"](input=x, scale=scale, output_dtype="int8")
        assert eight.min() >= -128
        assert eight.max() <= 127
        back = OPERATORS["dequantize"](input=eight, scale=scale)
        held = x.abs() < 127 * step
        assert ((back - x).abs()[held] <= step / 2 + 1e-6).all()
        np.testing.assert_allclose(back[~held].abs().numpy(), np.float32(step) * 127, rtol=1.01 / 127)

    def test_zero_points_and_scales_a_channel(self):
        x = torch.tensor([[-1.0, 1.0], [-10.0, 10.0]])
        arguments = {"scale": torch.tensor([0.5, 5.0]), "zero_point": ints(1, -1), "axis": torch.tensor(0)}
        eight = OPERATORS["quantize"](input=x, output_dtype="int8", **arguments)
        assert eight.tolist() == [[-1.0, 3.0], [-3.0, 1.0]]
        assert torch.equal(OPERATORS["dequantize"](input=eight, **arguments), x)

    def test_weights_are_shifted_and_scaled_by_the_block(self):
        data = torch.arange(8, dtype=torch.int32).reshape(2, 4)
        weight = OPERATORS["constexpr_blockwise_shift_scale"](
            data=data, scale=torch.tensor([[1.0, 10.0], [0.5, 2.0]]), offset=ints(0, 1)[:, None]
        )
        assert weight.tolist() == [[0.0, 1.0, 20.0, 30.0], [1.5, 2.0, 10.0, 12.0]]


def test_each_table_s_operators_are_in_the_whole_and_silu_is_the_one_of_the_model():
    x = normal(0, 10)
    torch.testing.assert_close(OPERATORS["silu"](x=x), F.silu(x))
    assert len(OPERATORS) > 50
