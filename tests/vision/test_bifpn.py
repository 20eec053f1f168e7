"""The BiFPN against its definition written out node by node, and against the counts of its published structure."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from minivlm.vision.bifpn import BiFPN, BiFPNCell, WeightedSum

WIDTHS = (3, 5, 7, 9)  # channels of the backbone's maps; all different, so that a mix-up cannot run
Maps = list[Tensor]


def randomized(cells: int, channels: int = 6) -> BiFPN:
    """Every value random, in double precision: fusion weights of both signs, BatchNorms far from the identity."""
    torch.manual_seed(0)
    model = BiFPN(WIDTHS, channels, cells).double().eval().requires_grad_(False)
    for key, value in model.state_dict().items():
        if value.is_floating_point():
            value.uniform_(0.5, 1.5) if key.endswith("running_var") else value.normal_()
    return model


def backbone_maps(height: int, width: int) -> Maps:
    generator = torch.Generator().manual_seed(1)
    return [
        torch.randn(1, channels, height // stride, width // stride, generator=generator, dtype=torch.float64)
        for channels, stride in zip(WIDTHS, (4, 8, 16, 32), strict=True)
    ]


class ByDefinition:
    """Tan et al. (2020), figure 2d and section 3.3, with elementary operations on single maps (C, H, W)."""

    def __init__(self, model: BiFPN) -> None:
        self.state = model.state_dict()

    def pointwise(self, name: str, x: Tensor) -> Tensor:
        mixed = torch.einsum("oi,ihw->ohw", self.state[f"{name}.weight"][:, :, 0, 0], x)
        return mixed + self.state[f"{name}.bias"][:, None, None]

    def norm(self, name: str, x: Tensor) -> Tensor:
        mean, variance, scale, shift = (
            self.state[f"{name}.{field}"][:, None, None] for field in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / (variance + 1e-3).sqrt() * scale + shift

    def lateral(self, name: str, x: Tensor) -> Tensor:
        return self.norm(f"{name}.1", self.pointwise(f"{name}.0", x))

    @staticmethod
    def windows(x: Tensor, fill: float) -> list[Tensor]:
        """The nine 3x3 neighbours of every cell, row by row."""
        padded = nn.functional.pad(x, (1, 1, 1, 1), value=fill)
        height, width = x.shape[1:]
        return [padded[:, row : row + height, column : column + width] for row in range(3) for column in range(3)]

    def down(self, x: Tensor) -> Tensor:
        return torch.stack(self.windows(x, -math.inf)).amax(dim=0)[:, ::2, ::2]

    @staticmethod
    def up(x: Tensor, like: Tensor) -> Tensor:
        (height, width), (target_height, target_width) = x.shape[1:], like.shape[1:]
        rows = [row * height // target_height for row in range(target_height)]
        columns = [column * width // target_width for column in range(target_width)]
        return x[:, rows][:, :, columns]

    def node(self, name: str, *inputs: Tensor) -> Tensor:
        weights = self.state[f"{name}.fusion.weight"].clamp(min=0.0)
        fused = sum(weight * x for weight, x in zip(weights, inputs, strict=True)) / (weights.sum() + 1e-4)
        swish = fused / (1.0 + torch.exp(-fused))
        kernel = self.state[f"{name}.depthwise.weight"].flatten(1)  # (C, 9)
        depthwise = sum(kernel[:, tap, None, None] * x for tap, x in enumerate(self.windows(swish, 0.0)))
        return self.norm(f"{name}.norm", self.pointwise(f"{name}.pointwise", depthwise))

    def cell(self, name: str, p: Maps, skips: Maps) -> Maps:
        (p4, p8, p16, p32, p64), (s8, s16, s32, s64) = p, skips
        t32 = self.node(f"{name}.top_down.0", p32, self.up(p64, p32))
        t16 = self.node(f"{name}.top_down.1", p16, self.up(t32, p16))
        t8 = self.node(f"{name}.top_down.2", p8, self.up(t16, p8))
        o4 = self.node(f"{name}.top_down.3", p4, self.up(t8, p4))
        o8 = self.node(f"{name}.bottom_up.0", s8, t8, self.down(o4))
        o16 = self.node(f"{name}.bottom_up.1", s16, t16, self.down(o8))
        o32 = self.node(f"{name}.bottom_up.2", s32, t32, self.down(o16))
        o64 = self.node(f"{name}.bottom_up.3", s64, self.down(o32))
        return [o4, o8, o16, o32, o64]

    def __call__(self, features: Maps, cells: int) -> Maps:
        levels = [self.lateral(f"laterals.{index}", feature[0]) for index, feature in enumerate(features)]
        levels.append(self.down(levels[3]))
        second = [self.lateral(f"skip_laterals.{index}", features[index + 1][0]) for index in (0, 1)]
        skips = [*second, levels[3], levels[4]]
        for index in range(cells):
            levels = self.cell(f"cells.{index}", levels, skips)
            skips = levels[1:]
        return levels


class TestValues:
    @pytest.mark.parametrize("cells", [1, 3])
    @pytest.mark.parametrize("size", [(64, 128), (96, 160), (32, 32), (32, 224)])
    def test_equal_the_definition_also_where_stride_64_does_not_divide_the_image(self, size, cells):
        model, features = randomized(cells), backbone_maps(*size)
        expected = ByDefinition(model)(features, cells)
        for given_level, level in zip(model(features), expected, strict=True):
            # Double precision on both sides; only the order of sums differs. Values reach some hundreds.
            torch.testing.assert_close(given_level[0], level, rtol=1e-9, atol=1e-9)

    @pytest.mark.parametrize(("size", "stride_64"), [((64, 128), (1, 2)), ((96, 160), (2, 3)), ((32, 32), (1, 1))])
    def test_levels_have_the_sizes_of_their_strides_rounded_up(self, size, stride_64):
        shapes = [tuple(level.shape[2:]) for level in randomized(1)(backbone_maps(*size))]
        assert shapes == [(size[0] // stride, size[1] // stride) for stride in (4, 8, 16, 32)] + [stride_64]


class TestStructure:
    """What distinguishes this BiFPN from EfficientDet's (microsoft/GLIP `efficientdet.py`, `start_from=2`)."""

    def test_a_cell_has_eight_nodes_and_19_fusion_weights(self):
        nodes = [module for module in BiFPNCell(8).modules() if isinstance(module, WeightedSum)]
        assert len(nodes) == 8
        assert sum(node.weight.numel() for node in nodes) == 19  # 5 nodes of two inputs and 3 of three

    def test_stride_64_is_a_max_pool_of_the_lateral_of_stride_32(self):
        levels = randomized(cells=0)(backbone_maps(96, 96))
        expected = nn.functional.max_pool2d(levels[3], 3, stride=2, padding=1)
        torch.testing.assert_close(levels[4], expected, rtol=0, atol=0)

    def test_second_laterals_exist_for_strides_8_and_16_and_serve_the_way_up_only(self):
        model, features = randomized(cells=1), backbone_maps(64, 64)
        assert [lateral[0].in_channels for lateral in model.skip_laterals] == [WIDTHS[1], WIDTHS[2]]
        for node in model.cells[0].bottom_up:
            node.fusion.weight.fill_(1.0)
        before = model(features)
        model.skip_laterals[1][0].bias.add_(1.0)  # stride 16
        changed = [not torch.equal(old, new) for old, new in zip(before, model(features), strict=True)]
        assert changed == [False, False, True, True, True]  # strides 4, 8, 16, 32, 64

    def test_all_convolutions_but_the_depthwise_ones_have_a_bias(self):
        convolutions = [module for module in randomized(cells=2).modules() if isinstance(module, nn.Conv2d)]
        assert len(convolutions) == 4 + 2 + 2 * 8 * 2  # laterals, second laterals, two a node
        assert all((module.bias is None) == (module.groups > 1) for module in convolutions)

    @pytest.mark.parametrize(
        ("widths", "channels", "cells", "count"),
        [
            ((24, 40, 112, 320), 64, 3, 163_257),
            ((24, 40, 112, 320), 88, 4, 346_972),
            ((24, 48, 120, 352), 112, 5, 647_679),
            ((32, 48, 136, 384), 160, 6, 1_466_674),
        ],
    )
    def test_sizes_are_those_that_reproduce_table_10(self, widths, channels, cells, count):
        # Running statistics counted. A node: 9C + C^2 + C + 4C; a lateral: (inputs + 1) C + 4C; 19 weights a cell.
        with torch.device("meta"):
            model = BiFPN(widths, channels, cells)
        by_hand = cells * (8 * (channels**2 + 14 * channels) + 19)
        by_hand += sum((width + 5) * channels for width in (*widths, *widths[1:3]))
        values = [value for value in model.state_dict().values() if value.is_floating_point()]
        assert sum(value.numel() for value in values) == by_hand == count


fusion_weights = st.lists(st.floats(-2.0, 10.0, width=32), min_size=2, max_size=3)


class TestFusion:
    @given(weights=fusion_weights)
    @settings(max_examples=50, deadline=None)
    def test_frozen_sums_equal_learned_ones(self, weights):
        learned = WeightedSum(len(weights)).requires_grad_(False)
        learned.weight.copy_(torch.tensor(weights))
        maps = list(torch.randn(len(weights), 1, 4, 5, 6, generator=torch.Generator().manual_seed(0)))
        # The same float32 factors in the same order: equal to the last bit.
        torch.testing.assert_close(learned.frozen()(maps), learned(maps), rtol=0, atol=0)

    @given(weights=fusion_weights)
    @settings(max_examples=50, deadline=None)
    def test_the_factors_are_positive_and_add_up_to_just_below_1(self, weights):
        learned = WeightedSum(len(weights)).requires_grad_(False)
        learned.weight.copy_(torch.tensor(weights))
        total = sum(max(weight, 0.0) for weight in weights)
        fused = learned([torch.ones(1, 1, 1, 1)] * len(weights)).item()
        assert fused == pytest.approx(total / (total + 1e-4), abs=1e-6)  # float32
        assert all(factor >= 0.0 for factor in learned.frozen().weights)
