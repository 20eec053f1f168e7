"""R101-F against py-faster-rcnn's published anchors, its rules written out in plain Python, and the paper's tables."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from minivlm.errors import UserError
from minivlm.photos import default_photo, load_photo
from minivlm.preprocess import NetworkInput, resize_short_side
from minivlm.vision.caffe_anchors import base_anchors, grid_anchors
from minivlm.vision.class_nms import best_surviving
from minivlm.vision.faster_rcnn import R101_F, R101_F_TINY, ROI_CHUNK, FasterRCNN, FasterRCNNConfig

Box = list[float]


def randomized(config: FasterRCNNConfig, seed: int = 0) -> FasterRCNN:
    model = FasterRCNN(config).requires_grad_(False)
    model.randomize(torch.Generator().manual_seed(seed))
    return model


def fit(config: FasterRCNNConfig) -> NetworkInput:
    photo = load_photo(default_photo())
    return resize_short_side(photo, config.short_side, config.longest_side, config.pixels)


@pytest.fixture(scope="module")
def tiny() -> FasterRCNN:
    return randomized(R101_F_TINY)


@pytest.fixture(scope="module")
def photo() -> NetworkInput:
    return fit(R101_F_TINY)


@pytest.fixture(scope="module")
def meta() -> FasterRCNN:
    with torch.device("meta"):
        return FasterRCNN(R101_F).eval()


def size(box: Box) -> tuple[float, float]:
    return box[2] - box[0] + 1.0, box[3] - box[1] + 1.0


def iou(a: Box, b: Box) -> float:
    """Of boxes whose last pixels belong to them, as py-faster-rcnn's `nms/py_cpu_nms.py` has it."""
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]) + 1.0)
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]) + 1.0)
    return width * height / (math.prod(size(a)) + math.prod(size(b)) - width * height)


def greedy_nms(boxes: list[Box], scores: list[float], threshold: float) -> list[int]:
    kept: list[int] = []
    for index in sorted(range(len(boxes)), key=lambda i: (-scores[i], i)):
        if all(iou(boxes[index], boxes[other]) <= threshold for other in kept):
            kept.append(index)
    return kept


def decode(box: Box, delta: Box, weights: Box, extent: tuple[float, float]) -> Box:
    """`fast_rcnn/bbox_transform.py`: bbox_transform_inv and clip_boxes."""
    (width, height), (dx, dy, dw, dh) = (
        size(box),
        (value / weight for value, weight in zip(delta, weights, strict=True)),
    )
    x, y = box[0] + 0.5 * width + dx * width, box[1] + 0.5 * height + dy * height
    width, height = width * math.exp(dw), height * math.exp(dh)
    corners = [x - 0.5 * width, y - 0.5 * height, x + 0.5 * width - 1.0, y + 0.5 * height - 1.0]
    limits = [extent[1] - 1.0, extent[0] - 1.0] * 2
    return [min(max(value, 0.0), limit) for value, limit in zip(corners, limits, strict=True)]


class TestSize:
    def test_parameters_of_each_component(self, meta):
        # Table 4 prints 27.6, 4.7, 31.4 and 63.8 M: weights and 4 values a BatchNorm channel, added up by hand. The
        # attribute head, embedding 1601 x 256 and 2304 -> 512 -> 401, is no part of the paper's 31.4 M.
        def count(module: nn.Module) -> int:
            values = [*module.parameters(), *(buffer for buffer in module.buffers() if buffer.is_floating_point())]
            return sum(value.numel() for value in values)

        parts = {name: count(module) for name, module in meta.named_children()}
        assert parts == {
            "backbone": 27_618_240,
            "rpn": 4_749_884,
            "box_head": 31_389_509,
            "attribute_head": 1601 * 256 + 2305 * 512 + 513 * 401,
        }

    def test_multiply_adds_of_rpn_cells_and_of_rois(self, meta):
        # RPN: 9 x 1024 x 512 + 512 x 60 a cell. Head: 14,942,208 weights at 196 cells, and 2048 x 5 x 1601 after them.
        def macs(module: nn.Module, *shape: int) -> int:
            with FlopCounterMode(display=False) as counter:
                module(torch.empty(*shape, device="meta"))
            return counter.get_total_flops() // 2

        assert macs(meta.rpn, 1, 1024, 38, 50) == 38 * 50 * (9 * 1024 * 512 + 512 * 60)
        for rois in (1, ROI_CHUNK, 2 * ROI_CHUNK + 1):
            assert macs(meta.box_head, rois, 1024, 14, 14) == rois * (14_942_208 * 196 + 2048 * 5 * 1601)

    def test_any_number_of_rois_goes_through_the_box_head(self, meta):
        for rois in (1, ROI_CHUNK + 3):
            shapes = [tuple(out.shape) for out in meta.box_head(torch.empty(rois, 1024, 14, 14, device="meta"))]
            assert shapes == [(rois, 2048), (rois, 1601), (rois, 6404)]

    def test_attribute_head_takes_the_features_and_classes_of_regions(self, meta):
        classes = torch.empty(5, dtype=torch.int64, device="meta")
        assert meta.attribute_head(torch.empty(5, 2048, device="meta"), classes).shape == (5, 401)


class TestAnchors:
    def test_are_the_published_ones(self):
        # py-faster-rcnn `lib/rpn/generate_anchors.py`: ratios .5, 1, 2 and scales 8, 16, 32 on a base of 16 pixels.
        published = [
            [-84, -40, 99, 55],
            [-176, -88, 191, 103],
            [-360, -184, 375, 199],
            [-56, -56, 71, 71],
            [-120, -120, 135, 135],
            [-248, -248, 263, 263],
            [-36, -80, 51, 95],
            [-80, -168, 95, 183],
            [-168, -344, 183, 359],
        ]
        assert base_anchors(16, (0.5, 1.0, 2.0), (8, 16, 32)).tolist() == published

    def test_scale_4_of_bottom_up_attention(self):
        # By the same arithmetic: 23 x 12, 16 x 16 and 11 x 22 pixels four times as large around pixel 7.5.
        assert base_anchors(16, (0.5, 1.0, 2.0), (4,)).tolist() == [
            [-38, -16, 53, 31],
            [-24, -24, 39, 39],
            [-14, -36, 29, 51],
        ]

    def test_lie_on_the_grid_by_row_column_and_anchor(self):
        base = torch.tensor([[0.0, 0.0, 15.0, 15.0], [-8.0, -8.0, 23.0, 23.0]])
        anchors = grid_anchors(base, height=2, width=3, stride=16).reshape(2, 3, 2, 4)
        assert anchors[0, 0].tolist() == base.tolist()
        assert anchors[1, 2, 0].tolist() == [32.0, 16.0, 47.0, 31.0]
        assert anchors[0, 1, 1].tolist() == [8.0, -8.0, 39.0, 23.0]


class TestProposals:
    def test_equal_py_faster_rcnn_s_rules_step_by_step(self, tiny, photo):
        config = replace(R101_F_TINY, pre_nms=150, post_nms=20)  # so that both limits are reached
        model = FasterRCNN(config).eval().requires_grad_(False)
        model.load_state_dict(tiny.state_dict())
        feature, extent = model.backbone(photo.image), photo.extent
        objectness, deltas = model.rpn(feature)

        base = base_anchors(config.base_size, config.anchor_ratios, config.anchor_scales)
        anchors = grid_anchors(base, *feature.shape[2:], stride=16).tolist()
        boxes = [
            decode(anchor, delta, [1.0] * 4, tuple(extent.tolist()))
            for anchor, delta in zip(anchors, deltas.tolist(), strict=True)
        ]
        large = [index for index, box in enumerate(boxes) if min(size(box)) >= 16]
        assert len(large) < len(boxes), "the minimum size must matter in this test"
        best = sorted(large, key=lambda index: -objectness[index].item())[:150]
        kept = greedy_nms([boxes[index] for index in best], [objectness[index].item() for index in best], 0.7)[:20]
        expected = torch.tensor([boxes[best[index]] for index in kept])
        # Pixels; float32 against float64 on coordinates below 256.
        torch.testing.assert_close(model.propose(feature, extent), expected, rtol=0, atol=1e-3)

    def test_stay_on_the_photo_when_it_is_smaller_than_the_input(self, tiny, photo):
        rois = tiny.propose(tiny.backbone(photo.image), torch.tensor([70.0, 90.0]))
        assert rois.min() >= 0.0
        assert rois[:, 2].max() <= 89.0
        assert rois[:, 3].max() <= 69.0

    def test_a_photo_that_is_too_thin_for_any_is_refused(self, tiny):
        image = torch.zeros(1, 3, 32, 224)
        with pytest.raises(UserError, match=r"12 x 224 pixels .* no region of 16 x 16 .* less elongated"):
            tiny(image, torch.tensor([12.0, 224.0]))


class TestBoxHead:
    def test_chunks_do_not_show(self, tiny):
        pooled = torch.randn(ROI_CHUNK + 3, 128, 7, 7, generator=torch.Generator().manual_seed(0))
        together = tiny.box_head(pooled)
        one_by_one = [tiny.box_head(roi[None]) for roi in pooled]
        for index, output in enumerate(together):
            # Sums in another order.
            torch.testing.assert_close(
                output, torch.cat([outputs[index] for outputs in one_by_one]), rtol=1e-4, atol=1e-4
            )

    def test_feature_is_the_mean_of_c5(self, tiny):
        pooled = torch.randn(2, 128, 7, 7, generator=torch.Generator().manual_seed(0))
        features, logits, deltas = tiny.box_head(pooled)
        torch.testing.assert_close(features, tiny.box_head.res5(pooled).flatten(2).mean(dim=2))
        torch.testing.assert_close(logits, tiny.box_head.classifier(features))
        torch.testing.assert_close(deltas, tiny.box_head.deltas(features))


def surviving_by_definition(
    boxes: list[list[Box]], probabilities: Tensor, threshold: float
) -> tuple[list[float], list[int]]:
    """`tools/generate_tsv.py`'s loop over all classes, without any floor."""
    best, tags = [0.0] * len(boxes), [0] * len(boxes)
    for tag in range(probabilities.shape[1]):
        scores = probabilities[:, tag].tolist()
        for index in greedy_nms([row[tag] for row in boxes], scores, threshold):
            if scores[index] > best[index]:
                best[index], tags[index] = scores[index], tag
    return best, tags


@st.composite
def heads(draw) -> tuple[Tensor, Tensor, Tensor]:
    """RoIs, logits and deltas of 40 classes, crowded or not, sure of themselves or not."""
    count, seed = draw(st.integers(1, 30)), draw(st.integers(0, 2**31))
    crowd, sharpness = draw(st.sampled_from([0.0, 5.0, 100.0])), draw(st.sampled_from([0.1, 1.0, 4.0]))
    background = draw(st.sampled_from([0.0, 8.0, 20.0]))
    generator = torch.Generator().manual_seed(seed)
    corners = 20.0 + crowd * torch.rand(count, 2, generator=generator)
    sides = 40.0 + 0.5 * crowd * torch.rand(count, 2, generator=generator)
    logits = sharpness * torch.randn(count, 41, generator=generator)
    logits[:, 0] += background
    return torch.cat([corners, corners + sides], dim=1), logits, torch.randn(count, 4 * 41, generator=generator)


class TestSelection:
    EXTENT = torch.tensor([128.0, 224.0])

    @given(case=heads())
    @settings(max_examples=60, deadline=None)
    def test_equals_the_definition_on_all_classes(self, tiny, case):
        rois, logits, deltas = case
        features = torch.arange(float(len(rois)))[:, None]  # a feature that names its RoI
        regions = tiny.select(features, logits, deltas, rois, self.EXTENT)

        probabilities = logits.softmax(dim=1)[:, 1:]
        boxes = [
            [
                decode(roi, delta, [10.0, 10.0, 5.0, 5.0], (128.0, 224.0))
                for delta in torch.tensor(row).reshape(41, 4)[1:].tolist()
            ]
            for roi, row in zip(rois.tolist(), deltas.tolist(), strict=True)
        ]
        best, tags = surviving_by_definition(boxes, probabilities, 0.3)
        sure = sum(score >= 0.2 for score in best)
        expected = sorted(best, reverse=True)[: min(max(sure, 10), 100)]
        torch.testing.assert_close(regions.scores, torch.tensor(expected), rtol=0, atol=0)
        for row, score in enumerate(expected):
            if score > 0.0:  # RoIs that survive nowhere are all alike
                roi = int(regions.features[row, 0])
                assert best[roi] == score
                assert regions.tags[row] == tags[roi]
                # Pixels; float32 against float64.
                torch.testing.assert_close(regions.boxes[row], torch.tensor(boxes[roi][tags[roi]]), rtol=0, atol=1e-3)

    @given(sure=st.integers(0, 130), unsure=st.integers(0, 20))
    @example(sure=9, unsure=5)
    @example(sure=101, unsure=0)
    @settings(max_examples=40, deadline=None)
    def test_regions_with_a_score_of_at_least_a_fifth_but_10_to_100_of_them(self, tiny, sure, unsure):
        count = sure + unsure
        assume(count > 0)
        # Boxes of 1 x 1 pixel side by side suppress nothing; class 1 has .3 or .1, the background the rest.
        corners = torch.stack([torch.arange(count) % 200, torch.arange(count) // 200], dim=1).float()
        score = torch.tensor([0.3] * sure + [0.1] * unsure)
        logits = torch.full((count, 41), -50.0)
        logits[:, 1], logits[:, 0] = score.log(), (1.0 - score).log()
        regions = tiny.select(
            torch.zeros(count, 4), logits, torch.zeros(count, 4 * 41), torch.cat([corners, corners], dim=1), self.EXTENT
        )
        assert len(regions.scores) == min(max(sure, min(10, count)), 100)
        assert (regions.scores >= 0.2).sum() == min(sure, 100)

    def test_the_floor_falls_until_enough_survive(self):
        # Three boxes side by side, each with one class of .5, .03 and 1e-9: the last takes a floor of 0.
        boxes = torch.tensor([[0.0, 0, 9, 9], [20.0, 0, 29, 9], [40.0, 0, 49, 9]])[:, None].expand(3, 4, 4)
        probabilities = torch.zeros(3, 4)
        probabilities[0, 1], probabilities[1, 2], probabilities[2, 3] = 0.5, 0.03, 1e-9
        found = {least: best_surviving(boxes, probabilities, 0.3, 0.2, least) for least in (1, 2, 3)}
        torch.testing.assert_close(found[1][0], torch.tensor([0.5, 0.0, 0.0]))
        torch.testing.assert_close(found[2][0], torch.tensor([0.5, 0.03, 0.0]))
        torch.testing.assert_close(found[3][0], torch.tensor([0.5, 0.03, 1e-9]))
        assert found[3][1].tolist() == [1, 2, 3]

    def test_a_box_suppressed_in_its_best_class_falls_back_to_another(self):
        # Equal boxes: the second loses class 0 to the first and keeps class 1.
        boxes = torch.tensor([0.0, 0.0, 10.0, 10.0]).expand(2, 2, 4)
        probabilities = torch.tensor([[0.6, 0.1], [0.5, 0.4]])
        scores, tags = best_surviving(boxes, probabilities, 0.3, 0.05, 2)
        torch.testing.assert_close(scores, torch.tensor([0.6, 0.4]))
        assert tags.tolist() == [0, 1]


class TestWhole:
    def test_regions_of_a_photo(self, tiny, photo):
        regions = tiny(photo.image, photo.extent)
        count = len(regions.scores)
        assert 10 <= count <= 100
        assert regions.features.shape == (count, tiny.config.feature_dim)
        assert regions.tags.dtype == torch.int64
        assert 0 <= regions.tags.min() <= regions.tags.max() < 40
        assert (regions.scores[:-1] >= regions.scores[1:]).all()
        height, width = photo.extent.tolist()
        assert (regions.boxes >= 0).all()
        assert (regions.boxes <= torch.tensor([width - 1, height - 1, width - 1, height - 1])).all()
        torch.testing.assert_close(regions.geometry[:, 2], regions.boxes[:, 2] / width)
        assert all(torch.isfinite(field).all() for field in regions)

    def test_features_are_those_of_the_pooled_rois(self, tiny, photo):
        regions = tiny(photo.image, photo.extent)
        feature = tiny.backbone(photo.image)
        features, logits, _ = tiny.box_head(tiny.pool(feature, tiny.propose(feature, photo.extent)))
        probabilities = logits.softmax(dim=1)[:, 1:]
        for row in range(len(regions.scores)):
            roi = (features - regions.features[row]).abs().sum(dim=1).argmin()
            torch.testing.assert_close(features[roi], regions.features[row], rtol=1e-4, atol=1e-5)
            assert probabilities[roi, regions.tags[row]].item() == pytest.approx(regions.scores[row].item(), rel=1e-3)


class TestRandomWeights:
    @pytest.mark.parametrize("seed", [0, 1, 2])
    def test_spread_scores_and_boxes_on_a_photo_as_trained_ones_do(self, photo, seed):
        model = randomized(R101_F_TINY, seed)
        feature = model.backbone(photo.image)
        objectness, deltas = model.rpn(feature)
        # Set on noise to mean -2, std 2 and std .2; a photo's may differ by half.
        assert -3.0 < objectness.mean() < -1.0
        assert 1.0 < objectness.std() < 4.0
        assert 0.1 < deltas.std() < 0.4
        rois = model.propose(feature, photo.extent)
        assert len(rois.unique(dim=0)) == len(rois) == 60
        _, logits, _ = model.box_head(model.pool(feature, rois))
        best = logits.softmax(dim=1)[:, 1:].amax(dim=1)
        assert 0.15 < best.median() < 0.85
        assert best.quantile(0.9) - best.quantile(0.1) > 0.2
        regions = model(photo.image, photo.extent)
        assert len(regions.boxes.unique(dim=0)) == len(regions.boxes) >= 10
        assert len(regions.tags.unique()) >= 5

    def test_depend_on_the_generator_only(self):
        first, second = (randomized(R101_F_TINY, seed=3).state_dict() for _ in range(2))
        assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.full
def test_r101_f_finds_10_to_100_different_regions():
    model, fitted = randomized(R101_F), fit(R101_F)
    regions = model(fitted.image, fitted.extent)
    assert 10 <= len(regions.scores) <= 100
    assert len(regions.boxes.unique(dim=0)) == len(regions.boxes)
    assert len(regions.tags.unique()) >= 10
    assert regions.features.shape[1] == 2048
    # Spread, not saturated: neither ties at 1 nor everything below the threshold.
    assert regions.scores.median() < 0.98
    assert regions.scores[0] > 0.3
