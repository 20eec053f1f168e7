"""Counts against the paper's tables, and against closed formulas that know nothing of the modules."""

from functools import cache

import pytest
import torch

from bench.costs import counts
from bench.costs.counts import OPERATING_POINTS, OperatingPoint
from minivlm.language.transformer import FusionTransformer
from minivlm.models.costs import count_macs, count_params
from minivlm.models.registry import get_config
from minivlm.vision.tee import TEE

TEES = ["tee-0", "tee-1", "tee-2", "tee-3", "tee-lite-0"]
GATES = [(32, 8), (96, 4), *[(144, 6)] * 2, *[(240, 10)] * 2, *[(480, 20)] * 3, *[(672, 28)] * 3, *[(1152, 48)] * 4]
"""Wide and narrow channels of EfficientNet-B0's squeeze-and-excitation, block by block: what tee-lite-0 lacks."""
GATE_WEIGHTS = sum(2 * wide * narrow for wide, narrow in GATES)
GATE_PARAMS = GATE_WEIGHTS + sum(wide + narrow for wide, narrow in GATES)
TRANSFORMERS = {  # Table 2: layers, width, intermediate width
    "bert-base": (12, 768, 3072),
    "bert-8": (8, 768, 3072),
    "tinybert-6": (6, 768, 3072),
    "bert-4": (4, 768, 3072),
    "minilm": (12, 384, 1536),
    "tinybert-4": (4, 312, 1200),
}
CHANNELS = {"tee-0": 64, "tee-1": 88, "tee-2": 112, "tee-3": 160, "tee-lite-0": 64}  # EfficientDet D0 to D3
CELLS = {"tee-0": 3, "tee-1": 4, "tee-2": 5, "tee-3": 6, "tee-lite-0": 3}

count_model = cache(counts.count_model)  # half a second each


class TestParameters:
    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("tee-0", {"backbone": 3_798_101, "rpn": 975, "box_head": 3_744_325, "total": 7_543_401}),
            ("tee-1", {"backbone": 6_507_484, "rpn": 1_335, "box_head": 4_137_541, "total": 10_646_360}),
            ("tee-2", {"backbone": 7_914_993, "rpn": 1_695, "box_head": 4_530_757, "total": 12_447_445}),
            ("tee-3", {"backbone": 11_654_234, "rpn": 2_415, "box_head": 5_317_189, "total": 16_973_838}),
            ("r101-f", {"backbone": 27_618_240, "rpn": 4_749_884, "box_head": 31_389_509, "total": 63_757_633}),
            ("grid-r50", {"total": 23_561_152}),
            ("grid-x101", {"total": 86_945_216}),
        ],
    )
    def test_of_the_extractors_are_exact(self, name, expected):
        # Added up layer by layer from the published structures; they round to Tables 1, 4 and 10.
        assert {part: count.params for part, count in count_model(name).items()} == expected

    @pytest.mark.parametrize(
        ("name", "expected"),
        [("tee-0", 7_500_105), ("tee-1", 10_580_184), ("tee-2", 12_372_389), ("tee-3", 16_872_334)],
    )
    def test_that_are_trained_leave_the_running_statistics_out(self, name, expected):
        assert count_model(name)["total"].trainable == expected

    def test_of_tee_lite_0_are_those_of_tee_0_without_gates(self):
        whole, lite = count_model("tee-0"), count_model("tee-lite-0")
        assert whole["backbone"].params - lite["backbone"].params == GATE_PARAMS == 636_540
        assert whole["backbone"].trainable - lite["backbone"].trainable == GATE_PARAMS
        assert (whole["rpn"], whole["box_head"]) == (lite["rpn"], lite["box_head"])

    @pytest.mark.parametrize("name", TRANSFORMERS)
    def test_of_the_transformers_follow_from_their_three_sizes(self, name):
        layers, h, i = TRANSFORMERS[name]
        embeddings = (30522 + 512 + 2 + 2) * h
        encoder = layers * (4 * h * h + 2 * h * i + 9 * h + i)
        pooler_and_caption_head = (h * h + h) + (h * h + 3 * h) + 30522 * (h + 1)
        regions = 1031 * h
        assert count_model(name)["total"].params == embeddings + encoder + pooler_and_caption_head + regions

    @pytest.mark.parametrize(
        ("name", "expected"), [("bert-base", 134_337_594), ("minilm", 45_655_482), ("tinybert-4", 24_323_586)]
    )
    def test_of_the_transformers_are_exact(self, name, expected):
        assert count_model(name)["total"].params == count_model(name)["total"].trainable == expected

    def test_of_a_batch_norm_are_two_trained_and_two_running_values_a_channel(self):
        assert count_params(torch.nn.BatchNorm2d(5)) == (20, 10)


class TestMultiplyAdds:
    @pytest.mark.parametrize("name", TRANSFORMERS)
    def test_of_the_transformers_follow_from_their_sizes_and_the_sequence(self, name):
        layers, h, i = TRANSFORMERS[name]
        text, regions = 35, 50
        rows = text + regions
        encoder = layers * (rows * (4 * h * h + 2 * h * i) + 2 * rows * rows * h)  # attention's two products count
        decoder = text * (h * h + 30522 * h)  # on every text row
        assert count_model(name)["total"].macs == encoder + decoder + regions * 1030 * h + h * h

    @pytest.mark.parametrize("name", TEES)
    def test_of_the_rpn_are_15_channels_a_cell_on_five_levels(self, name):
        # 96 x 160 pixels: 24 x 40, 12 x 20, 6 x 10 and 3 x 5 cells; stride 64 is rounded up to 2 x 3.
        cells = 24 * 40 + 12 * 20 + 6 * 10 + 3 * 5 + 2 * 3
        assert count_model(name, OperatingPoint(96, 160, 7))["rpn"].macs == cells * (3 + 12) * CHANNELS[name]

    @pytest.mark.parametrize("name", TEES)
    def test_of_the_box_head_are_those_of_four_linear_layers_a_region(self, name):
        one_region = 1024 * (16 * CHANNELS[name] + 1605) + 1024**2
        assert count_model(name, OperatingPoint(96, 160, 7))["box_head"].macs == 7 * one_region

    @pytest.mark.parametrize(
        ("name", "efficientnet", "widths"),
        [
            ("tee-0", 1.9015, (24, 40, 112, 320)),
            ("tee-1", 2.8599, (24, 40, 112, 320)),
            ("tee-2", 3.3030, (24, 48, 120, 352)),
            ("tee-3", 4.8628, (32, 48, 136, 384)),
            ("tee-lite-0", 1.9015 - GATE_WEIGHTS / 1e9, (24, 40, 112, 320)),  # a gate's layers see one cell
        ],
    )
    def test_of_the_backbone_are_efficientnet_s_and_the_bifpn_s(self, name, efficientnet, widths):
        # EfficientNet's G multiply-adds at 512 x 512 without the head are published; the BiFPN by hand: a node costs
        # 9C + C^2 a cell, and nodes stand at strides 32, 16, 8, 4 on the way down and 8, 16, 32, 64 on the way up.
        channels, area = CHANNELS[name], 512 * 512
        locations = sum(area // stride**2 for stride in (32, 16, 8, 4, 8, 16, 32, 64))
        laterals = zip((*widths, *widths[1:3]), (4, 8, 16, 32, 8, 16), strict=True)
        bifpn = CELLS[name] * locations * (9 * channels + channels**2)
        bifpn += sum(width * channels * (area // stride**2) for width, stride in laterals)
        giga = count_model(name, OperatingPoint(512, 512, 1))["backbone"].macs / 1e9
        assert giga == pytest.approx(efficientnet + bifpn / 1e9, abs=0.00005)  # the last published digit

    def test_of_r101_f_follow_from_its_cells_and_rois(self):
        # 600 x 800: 38 x 50 cells of stride 16. RPN: a 3x3 convolution and 60 outputs; res5's weights at 14 x 14 cells.
        count = count_model("r101-f", OperatingPoint(600, 800, 235))
        assert count["rpn"].macs == 38 * 50 * (9 * 1024 * 512 + 512 * 60)
        assert count["box_head"].macs == 235 * (14_942_208 * 14 * 14 + 2048 * 5 * 1601)
        # 34.877 M a stride-16 cell with the stride in the first 1x1; maps of 75 and 38 rows are rounded up.
        assert count["backbone"].macs / 1e6 == pytest.approx(38 * 50 * 34.877, rel=0.005)

    def test_count_a_multiply_add_once_and_return_the_result(self):
        left, right = torch.ones(3, 4), torch.ones(4, 5)
        macs, result = count_macs(lambda: left @ right)
        assert macs == 3 * 4 * 5
        assert result.shape == (3, 5)


class TestComponents:
    @pytest.mark.parametrize("name", ["tee-0", "r101-f"])
    def test_add_up_to_the_total(self, name):
        count = count_model(name)
        assert list(count) == ["backbone", "rpn", "box_head", "total"]
        assert count["backbone"] + count["rpn"] + count["box_head"] == count["total"]

    def test_leave_the_attribute_head_out_as_the_paper_does(self):
        with torch.device("meta"):
            whole = TEE(get_config("tee-0"))
        assert count_params(whole)[0] - count_params(whole.attribute_head)[0] == count_model("tee-0")["total"].params

    @pytest.mark.parametrize("name", ["tee-0", "r101-f", "minilm"])
    def test_are_counted_without_allocating_weights(self, name, monkeypatch):
        built = []

        def build(config):
            from minivlm.models import registry

            built.append(registry.build(config))
            return built[0]

        monkeypatch.setattr("bench.costs.counts.build", build)
        counts.count_model(name)
        assert {parameter.device.type for parameter in built[0].parameters()} == {"meta"}


def test_operating_points_are_sizes_that_the_models_take():
    for name, point in OPERATING_POINTS.items():
        config = get_config(name)
        assert not isinstance(config, FusionTransformer)
        multiple = getattr(config, "size_multiple", 1)
        assert point.height % multiple == point.width % multiple == 0
        assert str(point) == f"{point.height}x{point.width}" + (f", {point.rois} RoIs" if point.rois else "")
