"""Depthwise convolutions for training: autograd's numbers, whatever they are computed from."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from minivlm.models.registry import build
from minivlm.training.depthwise import DepthwiseConv2d, input_gradient, quicken, weight_gradient
from minivlm.vision.tee_config import TEE_TINY
from tests.training.made import seeded, seeds

sizes = st.tuples(st.integers(1, 2), st.integers(1, 5), st.integers(1, 13), st.integers(1, 13))
layouts = st.sampled_from([torch.contiguous_format, torch.channels_last])


def case(
    seed: int, size: tuple[int, int, int, int], kernel: int, stride: int, layout: torch.memory_format
) -> tuple[Tensor, Tensor, Tensor]:
    """Return an input, weights and a gradient of the output."""
    chance = seeded(seed)
    input = torch.randn(size, generator=chance).contiguous(memory_format=layout)
    weight = torch.randn(size[1], 1, kernel, kernel, generator=chance)
    gradient = torch.randn(size[0], size[1], *(-(-side // stride) for side in size[2:]), generator=chance)
    return input, weight, gradient.contiguous(memory_format=layout)


def autograd(input: Tensor, weight: Tensor, gradient: Tensor, stride: int) -> tuple[Tensor, ...]:
    """Return the output and both gradients in float64, by PyTorch."""
    both = input.double().requires_grad_(), weight.double().requires_grad_()
    output = nn.functional.conv2d(*both, stride=stride, padding=weight.shape[-1] // 2, groups=len(weight))
    return output.detach(), *torch.autograd.grad(output, both, gradient.double())


def close(found: Tensor, wanted: Tensor) -> None:
    """Sums of at most 2 x 13 x 13 float32 products, each rounded by 6e-8 of values up to 30."""
    torch.testing.assert_close(found.double(), wanted, rtol=1e-5, atol=2e-4)


@settings(deadline=None)
@given(seed=seeds, size=sizes, kernel=st.sampled_from([3, 5]), stride=st.sampled_from([1, 2]), layout=layouts)
def test_gradients_are_autograds(
    seed: int, size: tuple[int, int, int, int], kernel: int, stride: int, layout: torch.memory_format
) -> None:
    input, weight, gradient = case(seed, size, kernel, stride, layout)
    _, of_input, of_weight = autograd(input, weight, gradient, stride)
    close(input_gradient(gradient, input, weight, stride), of_input)
    close(weight_gradient(gradient, input, weight, stride), of_weight)


@settings(deadline=None)
@given(seed=seeds, size=sizes, kernel=st.sampled_from([3, 5]), stride=st.sampled_from([1, 2]), layout=layouts)
def test_the_module_is_a_convolution(
    seed: int, size: tuple[int, int, int, int], kernel: int, stride: int, layout: torch.memory_format
) -> None:
    input, weight, gradient = case(seed, size, kernel, stride, layout)
    wanted = autograd(input, weight, gradient, stride)
    module = nn.Sequential(
        nn.Conv2d(size[1], size[1], kernel, stride=stride, padding=kernel // 2, groups=size[1], bias=False)
    )
    quicken(module)
    assert isinstance(module[0], DepthwiseConv2d)
    module.load_state_dict({"0.weight": weight})
    output = module(input.requires_grad_())
    output.backward(gradient)
    assert input.grad is not None
    for found, number in zip((output.detach(), input.grad, module[0].weight.grad), wanted, strict=True):
        close(found, number)


@settings(deadline=None)
@given(seed=seeds, kernel=st.sampled_from([3, 5]), stride=st.sampled_from([1, 2]), layout=layouts)
def test_in_bfloat16_only_the_result_is_rounded(
    seed: int, kernel: int, stride: int, layout: torch.memory_format
) -> None:
    """Under autocast the numbers are those of the rounded inputs, to bfloat16's 8 bits of the largest one."""
    input, weight, gradient = (part.bfloat16() for part in case(seed, (2, 4, 12, 11), kernel, stride, layout))
    wanted = autograd(input, weight, gradient, stride)
    module = DepthwiseConv2d(4, 4, kernel, stride=stride, padding=kernel // 2, groups=4, bias=False)
    module.load_state_dict({"weight": weight.float()})
    taken = input.float().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = module(taken)
    assert output.dtype == torch.bfloat16
    output.backward(gradient)
    assert taken.grad is not None
    assert module.weight.grad is not None
    for found, number in zip((output.detach(), taken.grad, module.weight.grad), wanted, strict=True):
        torch.testing.assert_close(found.double(), number, rtol=0, atol=number.abs().max().item() / 128)


def test_a_detector_keeps_its_weights_their_names_and_its_results() -> None:
    model, quick = build(TEE_TINY), build(TEE_TINY)
    model.initialize(seeded())
    quick.load_state_dict(model.state_dict())
    before = dict(quick.named_parameters())
    quicken(quick)
    assert list(quick.state_dict()) == list(model.state_dict())
    assert {name: id(value) for name, value in quick.named_parameters()} == {
        name: id(value) for name, value in before.items()
    }
    swapped = [module for module in quick.modules() if isinstance(module, DepthwiseConv2d)]
    left = [module for module in quick.modules() if type(module) is nn.Conv2d and module.groups > 1]
    assert (len(left), len(swapped) > 10) == (0, True)
    image = torch.randn(1, 3, 64, 64, generator=seeded(1))
    for found, wanted in zip(quick.backbone(image), model.backbone(image), strict=True):
        assert torch.equal(found, wanted)


def test_frozen_weights_get_no_gradient() -> None:
    module = DepthwiseConv2d(3, 3, 5, padding=2, groups=3, bias=False).requires_grad_(False)
    input = torch.randn(1, 3, 8, 8, requires_grad=True)
    module(input).sum().backward()
    assert input.grad is not None
    assert module.weight.grad is None
