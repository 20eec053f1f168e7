"""ResNets against torchvision's, their shapes, and the paper's costs."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from minivlm.vision.efficientnet import import_timm
from minivlm.vision.faster_rcnn import R101_F
from minivlm.vision.grid import GRID_R50, GRID_X101
from minivlm.vision.resnet import ResNet, ResNetConfig, build_stage, damp_residuals

SMALL = ResNetConfig(blocks=(1, 2, 1, 1), stride_in="3x3", stem_pool="padded")


@pytest.fixture(scope="module")
def torchvision_resnet():
    import_timm()  # makes `import torchvision` possible with any build of torch
    from torchvision.models import resnet

    return resnet


def macs(module: nn.Module, *shape: int) -> int:
    """Multiply-adds of a module on the meta device; the counter counts two operations each."""
    with FlopCounterMode(display=False) as counter:
        module(torch.empty(*shape, device="meta"))
    return counter.get_total_flops() // 2


def on_meta(config: ResNetConfig, stages: int) -> ResNet:
    with torch.device("meta"):
        return ResNet(config, stages).eval()


def randomized(module: nn.Module) -> nn.Module:
    """Give every BatchNorm statistics and gains of its own, so that a wrong order of layers shows."""
    torch.manual_seed(0)
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d):
            for values in (layer.weight, layer.running_var):
                nn.init.uniform_(values, 0.5, 1.5)
            for values in (layer.bias, layer.running_mean):
                nn.init.normal_(values, std=0.2)
    return module.eval().requires_grad_(False)


def copy_by_order(source: nn.Module, target: nn.Module) -> None:
    """Both define a block's layers in the order 1x1, 3x3, 1x1, projection, so names alone differ."""
    values = [value for name, value in source.state_dict().items() if not name.startswith("fc.")]
    names = list(target.state_dict())
    target.load_state_dict(dict(zip(names, values, strict=True)))


def reference(torchvision_resnet, config: ResNetConfig, stages: int) -> nn.Module:
    """The ResNet of torchvision, whose strides sit in the 3x3 and whose pool is padded, altered as the config says."""
    net = torchvision_resnet.ResNet(
        torchvision_resnet.Bottleneck,
        list(config.blocks),
        groups=config.groups,
        width_per_group=config.inner_channels // config.groups,
    )
    layers = [net.layer1, net.layer2, net.layer3, net.layer4][:stages]
    if config.stride_in == "1x1":
        for layer in layers[1:]:
            layer[0].conv1.stride, layer[0].conv2.stride = (2, 2), (1, 1)
    if config.stem_pool == "caffe":
        net.maxpool = nn.MaxPool2d(3, stride=2, padding=0, ceil_mode=True)
    return randomized(nn.Sequential(net.conv1, net.bn1, net.relu, net.maxpool, *layers))


@pytest.mark.parametrize(
    ("config", "stages"),
    [
        (SMALL, 4),
        (replace(SMALL, groups=32, inner_channels=256), 4),
        (replace(SMALL, stride_in="1x1", stem_pool="caffe"), 3),
        (replace(SMALL, stride_in="1x1"), 4),
    ],
    ids=["resnet", "resnext", "msra-c4", "msra-c5"],
)
@pytest.mark.parametrize("size", [(64, 96), (75, 101)])
def test_equals_torchvision(torchvision_resnet, config, stages, size):
    expected = reference(torchvision_resnet, config, stages)
    ours = ResNet(config, stages).eval().requires_grad_(False)
    copy_by_order(expected, ours)
    image = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(1))
    # The same operations in the same order: only threading may reorder a sum.
    torch.testing.assert_close(ours(image), expected(image), rtol=1e-5, atol=1e-5)


def test_dilated_stage_equals_torchvision_layers_with_their_strides_taken_out(torchvision_resnet):
    config = replace(SMALL, blocks=(1, 1, 1, 3), stride_in="1x1")
    layer = torchvision_resnet.ResNet(torchvision_resnet.Bottleneck, [1, 1, 1, 3]).layer4
    layer[0].conv2.stride = layer[0].downsample[0].stride = (1, 1)
    for block in layer:
        block.conv2.dilation = block.conv2.padding = (2, 2)
    expected = randomized(layer)
    ours = build_stage(config, 3, stride=1, dilation=2).eval().requires_grad_(False)
    copy_by_order(expected, ours)
    pooled = torch.randn(2, 1024, 14, 14, generator=torch.Generator().manual_seed(1))
    assert ours(pooled).shape == (2, 2048, 14, 14)
    torch.testing.assert_close(ours(pooled), expected(pooled), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "config"),
    [("resnet50", GRID_R50.resnet), ("resnet101", R101_F.resnet), ("resnext101_32x8d", GRID_X101.resnet)],
)
def test_every_tensor_has_the_shape_of_torchvision_s(torchvision_resnet, name, config):
    with torch.device("meta"):
        expected = getattr(torchvision_resnet, name)(weights=None).state_dict()
    shapes = [value.shape for key, value in expected.items() if not key.startswith("fc.")]
    assert [value.shape for value in on_meta(config, 4).state_dict().values()] == shapes


@pytest.mark.parametrize(("pool", "ends"), [("caffe", [2, 4, 5]), ("padded", [1, 3, 5])])
def test_the_two_stem_pools_differ_by_one_pixel(pool, ends):
    # A map numbered by rows of 6: 3 x 3 windows end at rows and columns 2, 4, 5, or with padding at 1, 3, 5.
    stem = ResNet(replace(SMALL, stem_pool=pool), 0)[0]
    numbered = torch.arange(36.0).reshape(1, 1, 6, 6)
    expected = torch.tensor([[row * 6.0 + column for column in ends] for row in ends])
    torch.testing.assert_close(stem.pool(numbered)[0, 0], expected)


@pytest.mark.parametrize(("stages", "cells", "channels"), [(3, (38, 50), 1024), (4, (19, 25), 2048)])
def test_strides_are_16_and_32_rounded_up(stages, cells, channels):
    assert on_meta(R101_F.resnet, stages)(torch.empty(1, 3, 600, 800, device="meta")).shape == (1, channels, *cells)


def test_c4_costs_34_877_million_multiply_adds_a_cell():
    # Added up by hand, stem and stages per stride-16 cell, at a size that every stride divides.
    cells = (640 // 16) * (960 // 16)
    assert macs(on_meta(R101_F.resnet, 3), 1, 3, 640, 960) / cells == pytest.approx(34.877e6, abs=500)
    in_3x3 = replace(R101_F.resnet, stride_in="3x3")
    assert macs(on_meta(in_3x3, 3), 1, 3, 640, 960) / cells == pytest.approx(35.664e6, abs=500)


def test_c4_costs_of_the_two_sizes_around_the_paper_s_67_1():
    # Computed layer by layer: 66.05 G at 600 x 800 and 67.16 G at 600 x 804, rounded to 0.01.
    assert macs(on_meta(R101_F.resnet, 3), 1, 3, 600, 800) / 1e9 == pytest.approx(66.05, abs=0.005)
    assert macs(on_meta(R101_F.resnet, 3), 1, 3, 600, 804) / 1e9 == pytest.approx(67.16, abs=0.005)


def test_damped_residuals_touch_last_norms_only():
    net = ResNet(SMALL, 4)
    damp_residuals(net)
    gains = {
        name: layer.weight.unique().tolist() for name, layer in net.named_modules() if isinstance(layer, nn.BatchNorm2d)
    }
    assert all(gain == ([0.25] if name.endswith("expand.norm") else [1.0]) for name, gain in gains.items())
    assert sum(gain == [0.25] for gain in gains.values()) == sum(SMALL.blocks)
