"""The backbone of the TEE: which of timm's maps, with which normalisation and padding."""

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from minivlm.vision.efficientnet import EfficientNetFeatures

# Parameters and BatchNorm running statistics, and G multiply-adds at 512 x 512, of the published EfficientNets without
# their head convolution and classifier, added up layer by layer; channels of strides 4, 8, 16 and 32.
PUBLISHED = [
    ("efficientnet_b0", 3_634_844, 1.9015, [24, 40, 112, 320]),
    ("efficientnet_b1", 6_160_512, 2.8599, [24, 40, 112, 320]),
    ("efficientnet_b2", 7_267_314, 3.3030, [24, 48, 120, 352]),
    ("efficientnet_b3", 10_187_560, 4.8628, [32, 48, 136, 384]),
]


@pytest.mark.parametrize(("name", "params", "giga", "channels"), PUBLISHED)
def test_sizes_costs_and_maps_are_the_published_ones(name, params, giga, channels):
    with torch.device("meta"):
        backbone = EfficientNetFeatures(name).eval()
    values = [value for value in backbone.state_dict().values() if value.is_floating_point()]
    assert sum(value.numel() for value in values) == params
    with FlopCounterMode(display=False) as counter:
        maps = backbone(torch.empty(1, 3, 512, 512, device="meta"))
    assert counter.get_total_flops() / 2e9 == pytest.approx(giga, abs=0.00005)  # the last printed digit
    assert backbone.channels == channels
    expected = [
        (1, width, 512 // stride, 512 // stride) for width, stride in zip(channels, (4, 8, 16, 32), strict=True)
    ]
    assert [tuple(level.shape) for level in maps] == expected


@pytest.mark.parametrize("name", ["efficientnet_b0", "tinynet_e"])
def test_batch_norms_and_padding_are_those_of_the_first_author_s_detector(name):
    # microsoft/GLIP `efficientdet.py`: eps 1e-3, momentum 0.01, and (k - 1) / 2 on both sides, where TensorFlow pads
    # one side more.
    with torch.device("meta"):
        modules = list(EfficientNetFeatures(name).modules())
    norms = [module for module in modules if isinstance(module, nn.BatchNorm2d)]
    assert {(norm.eps, norm.momentum) for norm in norms} == {(1e-3, 0.01)}
    convolutions = [module for module in modules if isinstance(module, nn.Conv2d)]
    assert all(module.padding == tuple((size - 1) // 2 for size in module.kernel_size) for module in convolutions)
    assert {type(module) for module in convolutions} == {nn.Conv2d}, "a subclass may pad in its forward"
