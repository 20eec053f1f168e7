"""Channels of int8 convolutions whose weights are all but nothing keep their biases."""

import pytest
import torch
from torch import Tensor, nn

from export.backends.litert import quantize as quantizing
from export.backends.litert.convert import convert
from export.backends.litert.quantize import quantize
from export.core.calibration import Calibration
from export.core.methods import Method
from export.core.precision import Mode, Rule
from export.core.recipe import Recipe
from minivlm.quiet import quiet

BIASES = (2.0, -1.0, 0.5)
"""Of the channels with no weights, with weights of 1e-12, and with such as the rest has."""


class Layer(nn.Module):
    """A convolution, and the ReLU6 that it is fused with."""

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(8, 8, 1 if groups == 1 else 3, padding=0 if groups == 1 else 1, groups=groups)
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            self.conv.weight.copy_(torch.randn(self.conv.weight.shape, generator=generator))
            self.conv.weight[0] = 0.0
            self.conv.weight[1] *= 1e-12
            self.conv.bias.copy_(torch.tensor([*BIASES, *[0.1] * 5]))

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.relu6(self.conv(x))


@pytest.fixture(params=[1, 8], ids=["pointwise", "depthwise"])
def worst(request):
    """Return how far each channel's results are from PyTorch's at most, in steps of the output."""

    def run() -> Tensor:
        from ai_edge_litert.interpreter import Interpreter

        x = torch.randn(1, 8, 6, 6, generator=torch.Generator().manual_seed(1))
        method = Method("forward", Layer(request.param).eval(), {"x": x}, ("y",), detector=True)
        recipe = Recipe("int8", (Rule(("*",), Mode.STATIC),), Calibration([(x,)], ("x",), (), ""))
        content, _ = quantize(convert([method]), [method], recipe)
        with quiet():
            runner = Interpreter(model_content=content, num_threads=1).get_signature_runner("forward")
            (given,) = runner(x=x.numpy()).values()
        apart = (torch.from_numpy(given) - method.module(x)).abs()
        return apart.amax(dim=(0, 2, 3)).detach() / (6.0 / 255)

    return run


def test_they_keep_their_biases(worst):
    """To a step where there is nothing but the bias; elsewhere the roundings of eight or nine inputs add up."""
    apart = worst()
    assert apart[:2].max() <= 1.0
    assert apart[2:].max() <= 9.0


def test_without_room_for_them_they_do_not(worst, monkeypatch):
    monkeypatch.setattr(quantizing, "make_room_for_biases", lambda model, exact: None)
    apart = worst()
    assert apart[0] > 10.0
    assert apart[2:].max() <= 9.0
