"""R101-F against py-faster-rcnn's rules written out in plain Python, and against the paper's tables."""

import pytest
import torch
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from minivlm.errors import UserError
from minivlm.images.photos import default_photo, load_photo
from minivlm.images.preprocess import NetworkInput, resize_short_side
from minivlm.vision.caffe_anchors import base_anchors, grid_anchors
from minivlm.vision.faster_rcnn import R101_F, R101_F_TINY, ROI_CHUNK, FasterRCNN, FasterRCNNConfig
from tests.vision.pixel_boxes import decode, greedy_nms, size, surviving_by_definition


def randomized(config: FasterRCNNConfig, seed: int = 0) -> FasterRCNN:
    model = FasterRCNN(config).eval().requires_grad_(False)
    model.randomize(torch.Generator().manual_seed(seed))
    return model


def fit(config: FasterRCNNConfig, name: str = "china.jpg") -> NetworkInput:
    photo = load_photo(default_photo().with_name(name))  # scikit-learn ships two
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

    def test_several_pictures_are_refused(self, tiny):
        with pytest.raises(ValueError, match="one picture at a time"):
            tiny(torch.zeros(2, 3, 64, 64), torch.tensor([64.0, 64.0]))


class TestProposals:
    def test_scores_and_deltas_come_by_row_column_and_anchor(self, tiny):
        feature = torch.randn(1, 128, 3, 5, generator=torch.Generator().manual_seed(0))
        hidden = tiny.rpn.conv(feature).relu()
        objectness, deltas = tiny.rpn(feature)
        row, column, anchor = 2, 1, 7
        number = (row * 5 + column) * 12 + anchor
        assert objectness[number] == tiny.rpn.objectness(hidden)[0, anchor, row, column]
        assert torch.equal(deltas[number], tiny.rpn.deltas(hidden)[0, 4 * anchor : 4 * anchor + 4, row, column])

    def test_equal_py_faster_rcnn_s_rules_step_by_step(self, tiny, photo):
        config, extent = tiny.config, photo.extent
        feature = tiny.backbone(photo.image)
        objectness, deltas = tiny.rpn(feature)

        base = base_anchors(config.base_size, config.anchor_ratios, config.anchor_scales)
        anchors = grid_anchors(base, *feature.shape[2:], stride=16).tolist()
        boxes = [
            decode(anchor, delta, [1.0] * 4, tuple(extent.tolist()))
            for anchor, delta in zip(anchors, deltas.tolist(), strict=True)
        ]
        large = [index for index, box in enumerate(boxes) if min(size(box)) >= 16]
        assert len(large) < len(boxes), "the minimum size must matter in this test"
        best = sorted(large, key=lambda index: -objectness[index].item())[: config.pre_nms]
        kept = greedy_nms([boxes[index] for index in best], [objectness[index].item() for index in best], 0.7)
        assert min(len(large), config.pre_nms) == 600 < len(large)
        assert len(kept) > config.post_nms, "both limits must matter, too"
        expected = torch.tensor([boxes[best[index]] for index in kept[: config.post_nms]])
        # Pixels; float32 against float64 on coordinates below 256.
        torch.testing.assert_close(tiny.propose(feature, extent), expected, rtol=0, atol=1e-3)

    def test_nms_counts_the_last_pixels_of_boxes(self, tiny, photo, monkeypatch):
        # Two boxes of 32 x 32 pixels, 5.55 apart: their IoU is 26.45 / 37.55 = .704, and without the last row and
        # column 25.45 / 36.55 = .696. The threshold .7 lies between, so the second goes.
        feature = tiny.backbone(photo.image)
        objectness, deltas = (torch.zeros_like(output) for output in tiny.rpn(feature))
        cell, square = 3 * feature.shape[3] + 3, 5  # ratio 1, scale 2
        first, second = 12 * cell + square, 12 * (cell + 1) + square
        objectness[first], objectness[second] = 9.0, 8.0
        deltas[second, 0] = (5.55 - 16.0) / 32.0
        monkeypatch.setattr(tiny.rpn, "forward", lambda _: (objectness, deltas))
        rois = tiny.propose(feature, photo.extent)
        assert (rois[0, 2:] - rois[0, :2]).tolist() == [31.0, 31.0]
        shifted = rois[0] + torch.tensor([5.55, 0.0, 5.55, 0.0])
        assert not torch.isclose(rois, shifted, atol=1e-3).all(dim=1).any()

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
        features = torch.arange(float(len(rois)))[:, None].expand(-1, 256)  # a feature that names its RoI
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
            torch.zeros(count, 256),
            logits,
            torch.zeros(count, 4 * 41),
            torch.cat([corners, corners], dim=1),
            self.EXTENT,
        )
        assert len(regions.scores) == min(max(sure, min(10, count)), 100)
        assert (regions.scores >= 0.2).sum() == min(sure, 100)


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
        probabilities = tiny.attribute_head(regions.features, regions.tags + 1).softmax(dim=1)
        assert torch.equal(regions.attributes, probabilities.argmax(dim=1))
        assert torch.equal(regions.attribute_scores, probabilities.amax(dim=1))
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
    # Set to 2 on noise; without damped residual branches it is above 6 on the second photo.
    for name in ("china.jpg", "flower.jpg"):
        objectness, _ = model.rpn(model.backbone(fit(R101_F, name).image))
        assert 1.0 < objectness.std() < 4.0
