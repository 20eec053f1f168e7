"""In which ranges LiteRT's static layers compute."""

import pytest
import torch
from torch import Tensor, nn

from export.backends.litert.convert import convert
from export.backends.litert.graph import graphs, parsed, tensor_name
from export.backends.litert.quantize import quantize, static_tensors, swish_inputs
from export.core.calibration import Calibration
from export.core.methods import Method
from export.core.precision import Mode, Rule
from export.core.ranges import Spread
from export.core.recipe import Recipe
from minivlm.quiet import quiet


class Layers(nn.Module):
    """Two convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 8, 1), nn.Conv2d(8, 5, 1)

    def forward(self, x: Tensor) -> tuple[Tensor]:
        return (self.second(self.first(x)),)


@pytest.fixture(scope="module")
def layers():
    """A method that photos go into, its samples of Student's t with two degrees, and the model."""
    torch.manual_seed(0)
    samples = [(sample,) for sample in torch.distributions.StudentT(2.0).sample((30, 1, 3, 16, 16))]
    method = Method("forward", Layers().eval(), {"x": samples[0][0]}, ("y",), detector=True)
    with quiet():
        return method, samples, convert([method])


def recipe(samples: list[tuple[Tensor]]) -> Recipe:
    return Recipe("int8", (Rule(("first",), Mode.STATIC),), Calibration(samples, ("x",), (), ""))


def test_static_layers_are_measured_where_they_read_and_write(layers):
    _, samples, content = layers
    model = parsed(content)
    (_, graph), *_ = graphs(model)
    names = [tensor_name(graph, index) for index in static_tensors(model, graph, recipe(samples))]
    assert len(names) == 2
    assert "first" in names[1]


def test_ranges_are_those_of_least_square_error_over_all_samples(layers):
    """PyTorch computes what the layer gives; float32 differs in the last of 24 bits, and may fall into another bin."""
    method, samples, content = layers
    with quiet():
        quantized, _ = quantize(content, [method], recipe(samples))
    (_, graph), *_ = graphs(parsed(quantized))
    scales = [
        float(tensor.quantization.scale[0])
        for tensor in graph.tensors
        if tensor.quantization is not None
        and tensor.quantization.scale is not None
        and len(tensor.shape) == 4
        and len(tensor.quantization.scale) == 1
    ]
    read, written = Spread(), Spread()
    for (sample,) in samples:
        read.add(sample)
        written.add(method.module.first(sample))
    for spread in (read, written):
        low, high = spread.best(255)
        assert any(scale == pytest.approx((high - low) / 255, rel=1e-5) for scale in scales)
    assert min(scales) < 0.99 * (written.whole().high - written.whole().low) / 255


class Swished(nn.Module):
    """Two convolutions with a swish each; of the second, what goes into it is a result as well."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 8, 1), nn.Conv2d(8, 5, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        between = self.second(nn.functional.silu(self.first(x)))
        return nn.functional.silu(between), between


def test_what_swish_alone_reads_is_known():
    method = Method("forward", Swished().eval(), {"x": torch.randn(1, 3, 8, 8)}, ("y", "between"), detector=True)
    with quiet():
        model = parsed(convert([method]))
    (_, graph), *_ = graphs(model)
    (found,) = swish_inputs(model, graph)
    assert "first" in tensor_name(graph, found)
