"""The proof of whole numbers: what it takes for right, and that one number that is wrong fails it by name.

The layer's whole numbers are made here by plain arithmetic: a scale is the largest weight of its row over 127.
"""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from export.core.integers import IntegerLayer, Integers, LayerRun, StoredWeight
from export.core.methods import Method
from export.core.metric import Metric
from export.core.precision import Decision, Kind, Mode, Rule
from export.verify.arithmetic import verify_arithmetic

ROWS, WIDTH = 8, 64
DYNAMIC = Rule(("*",), Mode.DYNAMIC)
GROUPED = Rule(("*",), Mode.DYNAMIC, bits=4, group=32)


@pytest.fixture
def method() -> Method:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(WIDTH, ROWS))
    return Method("forward", model, {"x": torch.randn(4, WIDTH)}, ("y",))


def weights(method: Method) -> tuple[Tensor, Tensor]:
    layer = method.module.get_submodule("0")
    return layer.weight.detach().clone(), layer.bias.detach().clone()


def stored(method: Method) -> StoredWeight:
    exact, bias = weights(method)
    scale = exact.abs().amax(dim=1, keepdim=True) / 127
    values = (exact / scale).round().to(torch.int8)
    return StoredWeight(values=values, scale=scale, zero=torch.zeros(ROWS, 1), bits=8, bias=bias)


def layer(weight: StoredWeight, run: LayerRun | None = None) -> IntegerLayer:
    right = torch.zeros(4, ROWS)
    run = run or LayerRun(given=right, expected=right, step=torch.ones(1))
    return IntegerLayer(layer="0", kind=Kind.LINEAR, weight=weight, run=run)


def judged(method: Method, *layers: IntegerLayer, rule: Rule = DYNAMIC) -> dict[str, Metric]:
    found = verify_arithmetic(method, Integers([Decision("0", Kind.LINEAR, rule)], layers))
    return {metric.name: metric for metric in found}


def failed(metrics: dict[str, Metric]) -> list[str]:
    return [name for name, metric in metrics.items() if not metric.passed]


def test_weights_rounded_to_the_nearest_and_equal_sums_are_right(method: Method) -> None:
    metrics = judged(method, layer(stored(method)))
    assert failed(metrics) == []
    assert 0.4 < metrics["stored weights: worst difference in steps"].value <= 0.5 + 1e-4
    assert metrics["integer arithmetic: worst difference in steps"].value == 0.0
    assert metrics["layers stored as decided"].value == metrics["layers simulated in whole numbers"].value == 1.0


def one_scale_halved(weight: StoredWeight) -> StoredWeight:
    scale = weight.scale.clone()
    scale[3] /= 2
    return replace(weight, scale=scale)


def one_row_shifted(weight: StoredWeight) -> StoredWeight:
    values = weight.values.clone()
    values[3] -= 1
    return replace(weight, values=values)


def one_zero_off(weight: StoredWeight) -> StoredWeight:
    zero = weight.zero.clone()
    zero[3] = 1.0
    return replace(weight, zero=zero)


FAULTS = (one_scale_halved, one_row_shifted, one_zero_off)


@pytest.mark.parametrize("fault", FAULTS)
def test_one_wrong_number_fails_and_names_its_layer(
    method: Method, fault: Callable[[StoredWeight], StoredWeight]
) -> None:
    assert failed(judged(method, layer(fault(stored(method))))) == ["stored weights: worst difference in steps, 0"]


@pytest.mark.parametrize("fault", FAULTS)
def test_so_it_does_in_weights_that_were_rounded_for_their_inputs(
    method: Method, fault: Callable[[StoredWeight], StoredWeight]
) -> None:
    """Inputs of mean 1, as behind swish: a row that is off by a step in all its weights is off by its length."""
    inputs = torch.randn(500, WIDTH, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) + 1.0
    right = replace(stored(method), moments=inputs.T @ inputs)
    assert failed(judged(method, layer(right))) == []
    (name, *_) = failed(judged(method, layer(fault(right))))
    assert name == "weights rounded for their inputs: worst difference in steps, 0" or fault is one_scale_halved


def test_a_bias_of_whole_numbers_counts_in_its_own_steps(method: Method) -> None:
    _, bias = weights(method)
    step = torch.full((ROWS,), 1e-3)
    near = replace(stored(method), bias=(bias.double() / 1e-3).round() * 1e-3, bias_step=step)
    assert failed(judged(method, layer(near))) == []
    assert near.bias is not None
    far = replace(near, bias=near.bias + step)
    assert failed(judged(method, layer(far))) == ["stored weights: worst difference in steps, 0"]


def test_four_bits_may_end_a_step_short_of_the_largest_weight(method: Method) -> None:
    """From -8 to 7: by arithmetic, a weight of +8 steps is stored as 7."""
    exact, _ = weights(method)
    groups = exact.reshape(ROWS, 2, 32)
    scale = groups.abs().amax(dim=2) / 8
    values = (groups / scale[..., None]).round().clamp(-8, 7).to(torch.int32).reshape(ROWS, WIDTH)
    right = StoredWeight(values=values, scale=scale, zero=torch.zeros(ROWS, 2), bits=4)
    metrics = judged(method, layer(right), rule=GROUPED)
    assert failed(metrics) == []
    raised = replace(right, values=(values + 1).clamp(max=7))
    assert failed(judged(method, layer(raised), rule=GROUPED)) == ["stored weights: worst difference in steps, 0"]


def test_a_scale_for_all_rows_or_other_bits_are_not_what_was_decided(method: Method) -> None:
    exact, bias = weights(method)
    one = exact.abs().amax() / 127
    shared = StoredWeight(
        values=(exact / one).round(), scale=one.reshape(1, 1), zero=torch.zeros(1, 1), bits=8, bias=bias
    )
    assert failed(judged(method, layer(shared))) == ["layers stored as decided, 0"]
    assert failed(judged(method, layer(stored(method)), rule=GROUPED)) == ["layers stored as decided, 0"]


def test_a_layer_that_was_decided_about_and_is_not_there_is_missed(method: Method) -> None:
    assert failed(judged(method)) == ["layers stored as decided, 0", "layers simulated in whole numbers, 0"]


def test_a_float_layer_has_the_model_s_own_weights(method: Method) -> None:
    exact, bias = weights(method)
    kept = Rule(("*",), Mode.FLOAT)
    ones = torch.ones(1, 1)
    right = StoredWeight(values=exact, scale=ones, zero=0 * ones, bits=32, bias=bias)
    assert failed(judged(method, replace(layer(right), run=None), rule=kept)) == []
    other = replace(right, values=exact * 1.001)
    assert failed(judged(method, replace(layer(other), run=None), rule=kept)) == ["float weights: worst difference, 0"]
    assert failed(judged(method, layer(stored(method)), rule=kept)) == ["layers stored as decided, 0"]


@pytest.mark.parametrize(("steps", "right"), [(0.9, True), (1.1, False), (float("nan"), False)])
def test_outputs_may_be_one_step_apart(method: Method, steps: float, right: bool) -> None:
    expected = torch.randn(4, ROWS)
    run = LayerRun(given=expected + 0.25 * steps, expected=expected, step=torch.tensor(0.25))
    assert (failed(judged(method, layer(stored(method), run))) == []) is right


def test_what_the_converter_puts_into_weights_and_bias_is_taken_into_account(method: Method) -> None:
    """Expected by algebra: W (g x + s) + b is (W g) x + (W s + b)."""
    exact, bias = weights(method)
    gains, shifts = 1.0 + torch.rand(WIDTH), torch.randn(WIDTH)
    folded = exact * gains
    scale = folded.abs().amax(dim=1, keepdim=True) / 127
    there = replace(
        stored(method), values=(folded / scale).round().to(torch.int8), scale=scale, bias=bias + exact @ shifts
    )
    assert failed(judged(method, layer(replace(there, affine=(gains, shifts))))) == []
    assert len(failed(judged(method, layer(there)))) == 2  # weights and bias


def test_what_the_converter_has_rounded_to_float16_counts_as_it_is_then(method: Method) -> None:
    """float16 has 11 bits, so that a bias differs by up to 5e-4 of itself, and one number of its last bit by more."""
    exact, bias = weights(method)
    short = exact.half().float()
    scale = short.abs().amax(dim=1, keepdim=True) / 127
    values = (short / scale).round().to(torch.int8)
    there = replace(stored(method), values=values, scale=scale, bias=bias.half().float(), half=True)
    assert failed(judged(method, layer(there))) == []
    assert failed(judged(method, layer(replace(there, half=False)))) != []
    far = bias.half().float()
    far[bias.abs().argmax()] *= 1.0 + 2.0**-10
    assert failed(judged(method, layer(replace(there, bias=far)))) == ["float weights: worst difference, 0"]
