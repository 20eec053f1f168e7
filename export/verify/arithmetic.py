"""Are an artifact's whole numbers those of the model, and does its runtime compute with them what they stand for?

Two proofs that no noise of regions or logits touches, so that random weights serve as well as trained ones. What the
file stores, times its scales, is the model's weight to half a step. What each operator gives on what went into it in
the runtime is what the same whole numbers give in PyTorch.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from export.core.integers import IntegerLayer, Integers, LayerRun, StoredWeight
from export.core.methods import Method
from export.core.metric import Metric
from export.core.precision import Decision, Kind, Mode
from export.rewrites.modules import prepared
from export.verify.tolerances import ARITHMETIC, Arithmetic
from minivlm.ops import unrolled
from minivlm.vision.bifpn import FrozenSum

FLOAT_BITS = 32
BIAS_DIGITS = 1e-6
"""Share of a bias by which quantizers may be off: they divide in float32, and a bias has up to 32 bits of steps."""
WEIGHTS = "stored weights: worst difference in steps"
COMPENSATED = "weights rounded for their inputs: worst difference in steps"
FLOATS = "float weights: worst difference"
STORED, SIMULATED = "layers stored as decided", "layers simulated in whole numbers"
OUTPUTS = "integer arithmetic: worst difference in steps"
PROOFS = (STORED, SIMULATED, WEIGHTS, COMPENSATED, FLOATS, OUTPUTS)


def names_its_layer(metric: Metric) -> bool:
    """Tell whether a metric is one of this module's, which name the layer that fails."""
    return metric.name.startswith(PROOFS)


@dataclass
class Worst:
    """The largest number of one proof, and where it was met; NaN is larger than any."""

    name: str
    bound: float
    value: float = 0.0
    layer: str = ""
    layers: set[str] = field(default_factory=set)

    def see(self, layer: str, value: float) -> None:
        """Take another layer's number."""
        self.layers.add(layer)
        if not value <= self.value:
            self.value, self.layer = value, layer

    @property
    def metric(self) -> Metric:
        """The number as a metric; one that fails names its layer."""
        return _blaming(Metric(self.name, self.value, self.bound, at_least=False), [self.layer])


class Weights:
    """What is found of stored weights and biases beside the model's."""

    def __init__(self, bounds: Arithmetic) -> None:
        self._stored = Worst(WEIGHTS, bounds.weight_steps)
        self._compensated = Worst(COMPENSATED, bounds.compensated_steps)
        self._floats = Worst(FLOATS, bounds.float_weights)

    @property
    def all(self) -> tuple[Worst, ...]:
        """One a comparison."""
        return self._stored, self._compensated, self._floats

    def see(self, name: str, layer: Any, weight: StoredWeight) -> None:
        """Take another layer's, by its name, as the model and as the file have it."""
        exact, bias = as_converted(layer, weight)
        if weight.bits == FLOAT_BITS:
            self._floats.see(name, float_difference(exact, weight.values))
        elif weight.moments is not None:
            self._compensated.see(name, compensated_steps(exact, weight, weight.moments))
            self._stored.see(name, clipped_steps(exact, weight))
        else:
            self._stored.see(name, weight_steps(exact, weight))
        if bias is not None and weight.bias is not None:
            seen = self._floats if weight.bias_step is None else self._stored
            seen.see(name, bias_difference(bias, weight))


@torch.no_grad()
def verify_arithmetic(method: Method, integers: Integers, bounds: Arithmetic = ARITHMETIC) -> list[Metric]:
    """Hold a method's stored weights against the model's, and its operators against simulated ones.

    Args:
        method: With the model's own weights.
        integers: What the artifact holds and computes.
        bounds: That hold.

    Returns:
        One metric a comparison, each the worst of all layers; one that fails names its layer.
    """
    modules = dict(prepared(method.module, unrolled).named_modules())  # BatchNorms folded, as every format stores them
    decided = {decision.layer: decision for decision in integers.decisions}
    weights = Weights(bounds)
    outputs = Worst(OUTPUTS, bounds.output_steps)
    right: set[str] = set()
    wrong: dict[str, None] = {}
    for one in integers.layers:
        if one.run is not None:
            outputs.see(one.layer, output_steps(one.run))
        if one.weight is None:
            continue
        layer, weight = owner(modules, one.layer, one.weight)
        nobodys = layer is None and one.weight.bits != FLOAT_BITS
        if nobodys or not as_decided(one, decided.get(one.layer), integers.one_scale):
            wrong[one.layer] = None
            continue
        right.add(one.layer)
        if layer is not None:  # else a table of a converter's own, such as that of a resizing
            weights.see(one.layer, layer, weight)
    missing = [*wrong, *(name for name in decided if name not in right and name not in wrong)]
    rounded = [name for name, decision in decided.items() if decision.rule.mode is not Mode.FLOAT]
    unrun = [name for name in rounded if name not in outputs.layers]
    return [
        _counted(STORED, decided, missing),
        _counted(SIMULATED, rounded, unrun),
        *(found.metric for found in (*weights.all, outputs) if found.layers),
    ]


def _counted(name: str, all: Iterable[str], lacking: list[str]) -> Metric:
    count = len(list(all))
    return _blaming(Metric(name, float(count - len(lacking)), float(count)), lacking)


def _blaming(metric: Metric, layers: list[str]) -> Metric:
    """Return a metric that names the first of some layers where it fails."""
    if metric.passed:
        return metric
    return Metric(f"{metric.name}, {layers[0]}", metric.value, metric.bound, metric.at_least)


def owner(modules: Mapping[str, nn.Module], name: str, weight: StoredWeight) -> tuple[Any, StoredWeight]:
    """Return the layer that a weight was made of, None if there is none, and the weight with the factor put into it.

    That is the module of the name. A convolution of a fusion's is the lateral whose map is multiplied there: its
    weights, times one of the fusion's numbers.
    """
    module: Any = modules.get(name)
    if isinstance(module, FrozenSum):
        return _lateral(modules, module, weight)
    same = getattr(getattr(module, "weight", None), "shape", None) == weight.values.shape
    return (module if same else None), weight


def _lateral(modules: Mapping[str, nn.Module], fusion: FrozenSum, weight: StoredWeight) -> tuple[Any, StoredWeight]:
    """Return the convolution and the factor that come closest to a weight."""
    found = weight.floats
    tried = [
        (float((found - layer.weight * factor).abs().max()), layer, factor)
        for layer in modules.values()
        if isinstance(layer, nn.Conv2d) and layer.weight.shape == found.shape
        for factor in fusion.weights
    ]
    if not tried:
        return None, weight
    _, layer, factor = min(tried, key=lambda one: one[0])
    return layer, replace(weight, factor=weight.factor * factor)


def as_converted(layer: Any, stored: StoredWeight) -> tuple[Tensor, Tensor | None]:
    """Return a layer's weights and bias with what the converter has put into them."""
    weight = layer.weight.detach() * stored.factor
    bias = None if getattr(layer, "bias", None) is None else layer.bias.detach() * stored.factor
    if stored.affine is not None:
        gains, shifts = stored.affine
        weight, bias = weight * gains, None if bias is None else bias + weight @ shifts
    if stored.half:
        weight, bias = weight.half().float(), None if bias is None else bias.half().float()
    return weight, bias


def as_decided(one: IntegerLayer, decision: Decision | None, one_scale: tuple[Kind, ...]) -> bool:
    """Tell whether a weight has the bits that were decided, and as many scales as that takes.

    What nothing was decided about is in float.
    """
    weight = one.weight
    assert weight is not None
    if decision is None or decision.rule.mode is Mode.FLOAT:
        return weight.bits == FLOAT_BITS
    rule = decision.rule
    rows, width = len(weight.values), weight.values[0].numel()
    shared = (1, 1) if one.kind in one_scale else (rows, 1)
    scales = (rows, width // rule.group) if rule.group else shared
    return weight.bits == rule.bits and tuple(weight.scale.shape) == scales


def output_steps(run: LayerRun) -> float:
    """Return how far the runtime's output is from the simulated one, to a hundredth.

    Sums of whole numbers that differ by 1 are 1 / 127 of a step apart, or more. Less is the rounding of floats, which
    no comparison of two artifacts should see.
    """
    if run.given.shape != run.expected.shape:
        return float("nan")
    return round(float(((run.given.double() - run.expected.double()).abs() / run.step).amax()), 2)


def weight_steps(exact: Tensor, weight: StoredWeight) -> float:
    """Return how far stored weights are from a model's.

    At the upper end of four bits half as much counts: from -8 to 7 the largest of a group is at one end, and its
    opposite is one step short of the other.
    """
    whole = weight.by_group
    apart = (_in_steps(exact, weight) - whole).abs()
    if weight.bits < 8:
        top = 2 ** (weight.bits - 1) - 1
        apart = torch.where(whole >= top, apart / 2, apart)
    return float(apart.amax())


def clipped_steps(exact: Tensor, weight: StoredWeight) -> float:
    """Return how far a model's largest weights lie beyond the last whole number that has their scale."""
    last = 2 ** (weight.bits - 1) - 1
    return float((_in_steps(exact, weight).abs().amax() - last).clamp(min=0.0))


def compensated_steps(exact: Tensor, weight: StoredWeight, moments: Tensor) -> float:
    """Return what a row's errors add up to on its inputs, as steps of a weight for inputs of length 1; the worst row.

    Args:
        exact: (O, I, 1, 1), the model's.
        weight: Stored.
        moments: (I, I) of inputs.
    """
    errors = (weight.by_group - _in_steps(exact, weight)).flatten(1).double()
    energy = torch.einsum("oi,ij,oj->o", errors, moments, errors) / moments.trace()
    return float(energy.clamp(min=0.0).sqrt().amax())


def float_difference(exact: Tensor, given: Tensor) -> float:
    """Return the largest difference as a share of the largest number."""
    return float((exact - given).abs().amax() / exact.abs().amax().clamp(min=torch.finfo(torch.float32).tiny))


def bias_difference(exact: Tensor, weight: StoredWeight) -> float:
    """Return how far a stored bias is from a model's: in steps, where it is of whole numbers, else as a share."""
    assert weight.bias is not None
    if weight.bias_step is None:
        return float_difference(exact, weight.bias)
    apart = (exact.double() - weight.bias).abs() - BIAS_DIGITS * exact.abs()
    return float((apart / weight.bias_step).amax().clamp(min=0.0))


def _in_steps(exact: Tensor, weight: StoredWeight) -> Tensor:
    """Return (O, G, n) weights of a model in steps of the stored ones; where there is no scale, only 0 is 0 steps."""
    rows = exact.reshape(weight.by_group.shape)
    return torch.where(rows == 0.0, 0.0, rows / weight.scale[..., None])
