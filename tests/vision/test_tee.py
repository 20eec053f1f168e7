"""The TEE detector: what comes out, the rules of its parts in plain Python, and how random weights behave."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from minivlm.images.photos import load_photo
from minivlm.images.preprocess import NetworkInput, letterbox
from minivlm.ops import pairwise_iou
from minivlm.vision.regions import Regions, box_geometry
from minivlm.vision.tee import TEE
from minivlm.vision.tee_config import TEE_TINY
from minivlm.weights.loading import create_model

ROWS, CLASSES = TEE_TINY.regions, TEE_TINY.classes


@pytest.fixture(scope="module")
def tiny() -> TEE:
    return create_model("tee-tiny")


@pytest.fixture(scope="module")
def photo(photo_path) -> NetworkInput:
    return fitted(photo_path, TEE_TINY.image_size)


def fitted(path, size: tuple[int, int]) -> NetworkInput:
    return letterbox(load_photo(path), size, TEE_TINY.pixels)


class TestRegions:
    def test_fields_have_their_shapes_and_types(self, tiny, photo):
        regions = tiny(photo.image, photo.extent)
        shapes = {name: (tuple(value.shape), value.dtype) for name, value in regions._asdict().items()}
        assert shapes == {
            "features": ((ROWS, 64), torch.float32),
            "boxes": ((ROWS, 4), torch.float32),
            "geometry": ((ROWS, 6), torch.float32),
            "tags": ((ROWS,), torch.int64),
            "scores": ((ROWS,), torch.float32),
            "attributes": ((ROWS,), torch.int64),
            "attribute_scores": ((ROWS,), torch.float32),
        }

    def test_come_by_falling_score_with_classes_of_the_foreground(self, tiny, photo):
        regions = tiny(photo.image, photo.extent)
        assert regions.scores.tolist() == sorted(regions.scores.tolist(), reverse=True)
        assert (regions.scores > 0.0).all()
        assert (regions.scores <= 1.0).all()
        assert regions.tags.min() >= 0
        assert regions.tags.max() < CLASSES - 1

    def test_lie_within_the_photo_whatever_the_padding_holds(self, tiny, photo):
        height, width = photo.extent.tolist()
        assert (height, width) == (85.0, 128.0)
        image = photo.image.clone()
        image[:, :, int(height) :] = 3.0 * torch.randn(1, 3, 43, 128, generator=torch.Generator().manual_seed(0))
        boxes = tiny(image, photo.extent).boxes
        assert (boxes >= 0.0).all()
        assert (boxes <= torch.tensor([width, height, width, height])).all()
        assert (boxes[:, 2:] > boxes[:, :2]).all()

    def test_no_two_overlap_by_more_than_half(self, tiny, photo):
        overlaps = pairwise_iou(tiny(photo.image, photo.extent).boxes).fill_diagonal_(0.0)
        assert overlaps.max() <= 0.5

    def test_rows_that_nothing_was_found_for_come_last_with_score_0(self, tiny, photo):
        # A photo of 3 x 4 pixels: nearly all anchors lie beyond it, and the others cover it whole.
        regions = tiny(photo.image, torch.tensor([3.0, 4.0]))
        found = regions.scores > 0.0
        assert 0 < found.sum() < ROWS
        assert found.tolist() == sorted(found.tolist(), reverse=True)
        assert all(torch.isfinite(field).all() for field in regions)

    @pytest.mark.parametrize(("size", "stride_64"), [((96, 160), (2, 3)), ((32, 64), (1, 1)), ((64, 192), (1, 3))])
    def test_any_multiple_of_32_is_an_image_size(self, tiny, photo_path, size, stride_64):
        photo = fitted(photo_path, size)
        levels = tiny.backbone(photo.image)
        expected = [(1, 8, size[0] // stride, size[1] // stride) for stride in (4, 8, 16, 32)] + [(1, 8, *stride_64)]
        assert [tuple(level.shape) for level in levels] == expected
        regions = tiny(photo.image, photo.extent)
        assert regions.features.shape == (ROWS, 64)
        assert regions.scores[0] > 0.0

    def test_attributes_are_said_of_them_and_change_nothing_else(self, photo):
        model = create_model("tee-tiny")
        before = model(photo.image, photo.extent)
        for parameter in model.attribute_head.parameters():
            parameter.fill_(math.nan)
        after = model(photo.image, photo.extent)
        torch.testing.assert_close(after[:5], before[:5], rtol=0, atol=0)
        assert after.attribute_scores.isnan().all()

    def test_two_runs_give_the_same(self, tiny, photo):
        first, second = (tiny(photo.image, photo.extent) for _ in range(2))
        torch.testing.assert_close(first, second, rtol=0, atol=0)


class TestGeometry:
    def test_is_corners_and_size_over_the_photo_s_own_width_and_height(self, tiny, photo):
        regions = tiny(photo.image, photo.extent)
        height, width = photo.extent.tolist()
        rows = [
            [x1 / width, y1 / height, x2 / width, y2 / height, (x2 - x1) / width, (y2 - y1) / height]
            for x1, y1, x2, y2 in regions.boxes.tolist()
        ]
        torch.testing.assert_close(regions.geometry, torch.tensor(rows), rtol=0, atol=1e-6)  # float32, at most 1

    def test_of_a_box_by_hand(self):
        # A photo 200 high and 400 wide.
        geometry = box_geometry(torch.tensor([[100.0, 50.0, 300.0, 150.0]]), torch.tensor([200.0, 400.0]))
        assert geometry.tolist() == [[0.25, 0.25, 0.75, 0.75, 0.5, 0.5]]


sides = st.floats(0.5, 1300.0, width=32)


class TestLevels:
    @given(corner=st.tuples(sides, sides), size=st.tuples(sides, sides))
    @settings(max_examples=300, deadline=None)
    def test_equal_the_logarithm_of_the_paper(self, tiny, corner, size):
        # Lin et al. (2017), equation 1, with maskrcnn-benchmark's 1e-6 (`modeling/poolers.py`).
        box = torch.tensor([[*corner, corner[0] + size[0], corner[1] + size[1]]])
        x1, y1, x2, y2 = box[0].tolist()
        octave = 4.0 + math.log2(math.sqrt((x2 - x1) * (y2 - y1)) / 224.0 + 1e-6)
        assume(abs(octave - round(octave)) > 1e-5)  # closer to a bound, float32 may fall on either side
        assert tiny.assign_levels(box).item() == min(max(math.floor(octave), 2), 5) - 2

    @pytest.mark.parametrize(
        ("size", "level"), [(1.0, 0), (111.9, 0), (112.0, 1), (223.9, 1), (224.0, 2), (447.9, 2), (448.0, 3), (2e3, 3)]
    )
    def test_squares_at_the_bounds(self, tiny, size, level):
        assert tiny.assign_levels(torch.tensor([[10.0, 20.0, 10.0 + size, 20.0 + size]])).item() == level

    def test_a_region_is_read_from_its_level_and_never_from_stride_64(self, tiny):
        maps = [
            torch.full((1, 8, 512 // stride, 512 // stride), float(index)) for index, stride in enumerate((4, 8, 16))
        ]
        maps += [torch.full((1, 8, 16, 16), 3.0), torch.full((1, 8, 8, 8), math.nan)]
        boxes = torch.tensor([[8.0, 8.0, 8.0 + size, 8.0 + size] for size in (30.0, 150.0, 300.0, 500.0)])
        pooled = tiny.pool(maps, boxes)
        assert pooled.shape == (4, 8, 4, 4)
        # Averages of equal values; float32.
        torch.testing.assert_close(pooled.amin(dim=(1, 2, 3)), torch.arange(4.0), rtol=0, atol=1e-5)
        torch.testing.assert_close(pooled.amax(dim=(1, 2, 3)), torch.arange(4.0), rtol=0, atol=1e-5)


def select_by_definition(
    class_logits: Tensor, deltas: Tensor, proposals: Tensor, valid: Tensor, extent: Tensor
) -> list[tuple[int, int, float, list[float]]]:
    """(proposal, tag, score, box) of the regions kept, in double precision and one at a time."""
    height, width = extent.tolist()
    candidates = []
    for row in range(len(proposals)):
        logits = class_logits[row].tolist()
        total = sum(math.exp(logit) for logit in logits)
        tag = max(range(len(logits) - 1), key=lambda index: logits[index + 1])
        x1, y1, x2, y2 = proposals[row].tolist()
        dx, dy, dw, dh = (value / weight for value, weight in zip(deltas[row].tolist(), (10, 10, 5, 5), strict=True))
        x, y = (x1 + x2) / 2 + dx * (x2 - x1), (y1 + y2) / 2 + dy * (y2 - y1)
        half_width, half_height = (x2 - x1) * math.exp(dw) / 2, (y2 - y1) * math.exp(dh) / 2
        corners = [x - half_width, y - half_height, x + half_width, y + half_height]
        box = [min(max(value, 0.0), limit) for value, limit in zip(corners, [width, height] * 2, strict=True)]
        if valid[row] and box[2] > box[0] and box[3] > box[1]:
            candidates.append((row, tag, math.exp(logits[tag + 1]) / total, box))

    def iou(a: list[float], b: list[float]) -> float:
        shared = max(min(a[2], b[2]) - max(a[0], b[0]), 0.0) * max(min(a[3], b[3]) - max(a[1], b[1]), 0.0)
        areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
        return shared / (sum(areas) - shared)

    kept: list[tuple[int, int, float, list[float]]] = []
    for candidate in sorted(candidates, key=lambda item: -item[2]):
        if all(iou(candidate[3], other[3]) <= 0.5 for other in kept):
            kept.append(candidate)
    return kept[:ROWS]


class TestSelect:
    @pytest.mark.parametrize("seed", range(5))
    def test_equals_the_rules_in_plain_python(self, tiny, seed):
        generator = torch.Generator().manual_seed(seed)
        corners = 100.0 * torch.rand(40, 2, generator=generator)
        proposals = torch.cat([corners, corners + 5.0 + 60.0 * torch.rand(40, 2, generator=generator)], dim=1)
        class_logits = 3.0 * torch.randn(40, CLASSES, generator=generator)
        class_logits[:, 0] += 4.0  # the background is often the most probable class, and never a tag
        deltas = torch.randn(40, 4, generator=generator)
        features = torch.randn(40, 64, generator=generator)
        valid = torch.rand(40, generator=generator) < 0.7
        extent = torch.tensor([90.0, 120.0])
        regions = tiny.select(features, class_logits, deltas, proposals, valid, extent)

        kept = select_by_definition(class_logits, deltas, proposals, valid, extent)
        assert len(kept) > 5, "a test on next to nothing"
        rows, tags, scores, boxes = zip(*kept, strict=True)
        assert torch.equal(regions.features[: len(kept)], features[list(rows)])
        assert regions.tags[: len(kept)].tolist() == list(tags)
        torch.testing.assert_close(regions.scores[: len(kept)], torch.tensor(scores), rtol=0, atol=1e-6)  # float32
        torch.testing.assert_close(regions.boxes[: len(kept)], torch.tensor(boxes), rtol=0, atol=1e-3)  # pixels
        assert not regions.scores[len(kept) :].any()

    def test_what_scores_less_than_is_asked_for_only_fills(self, photo):
        model = create_model("tee-tiny")
        every = model(photo.image, photo.extent)
        model.config = replace(model.config, least_score=float(every.scores[3]))
        found = model(photo.image, photo.extent)
        assert found.valid.tolist() == [True] * 4 + [False] * (ROWS - 4)
        assert torch.equal(found.scores[:4], every.scores[:4])
        assert torch.equal(found.boxes[:4], every.boxes[:4])
        [batched] = model.detect_each(photo.image, photo.extent[None])
        assert torch.equal(batched.valid, found.valid)

    @pytest.mark.parametrize(("shift", "kept"), [(13.0, [5 - 1]), (14.0, [5 - 1, 9 - 1])])
    def test_one_nms_at_one_half_serves_all_classes(self, tiny, shift, kept):
        # Squares of 40 pixels: shifted by 13 their IoU is 27 / 53, by 14 it is 26 / 54. Class 0 is the background.
        proposals = torch.tensor([[10.0, 10.0, 50.0, 50.0], [10.0 + shift, 10.0, 50.0 + shift, 50.0]])
        class_logits = torch.zeros(2, CLASSES)
        class_logits[0, 5], class_logits[1, 9] = 4.0, 3.0
        valid, extent = torch.ones(2, dtype=torch.bool), torch.tensor([128.0, 128.0])
        regions = tiny.select(torch.eye(2, 64), class_logits, torch.zeros(2, 4), proposals, valid, extent)
        assert regions.tags[regions.scores > 0.0].tolist() == kept


def spread_of(model: TEE, photo: NetworkInput) -> tuple[Regions, Tensor, Tensor]:
    """Regions, objectness of every anchor, and the areas of the valid proposals."""
    levels = model.backbone(photo.image)
    proposals, valid = model.propose(levels, photo.extent)
    areas = (proposals[:, 2:] - proposals[:, :2])[valid].prod(dim=1)
    return model(photo.image, photo.extent), model.rpn(levels)[0], areas


def check_spread(model: TEE, photo: NetworkInput) -> None:
    """What a trained detector gives: all rows filled, no ties, many classes, large and small boxes, tame features."""
    regions, objectness, areas = spread_of(model, photo)
    rows = model.config.regions
    assert (regions.scores > 0.0).all()
    assert len(regions.scores.unique()) == rows
    assert regions.scores.max() - regions.scores.min() > 0.1
    assert len(regions.tags.unique()) >= 0.4 * rows
    assert torch.isfinite(regions.features).all()
    assert len(regions.features.unique(dim=0)) == rows
    # Calibrated on made-up photos to a deviation of 1 a feature and 2 an objectness logit around -2; the bounds are
    # wide because a photo is not made up.
    assert 0.3 < regions.features.std() < 3.0
    assert 1.0 < objectness.std() < 4.0
    assert -4.0 < objectness.mean() < 0.0
    assert len(areas) == model.config.rpn.proposals
    assert areas.max() > 4.0 * areas.min(), "boxes of one size only"


class TestRandomWeights:
    @pytest.mark.parametrize("seed", [0, 1])
    def test_behave_like_trained_ones_on_photos(self, photo, seed):
        check_spread(create_model("tee-tiny", seed=seed), photo)

    def test_boxes_leave_their_anchors(self, tiny, photo):
        _, deltas = tiny.rpn(tiny.backbone(photo.image))
        assert 0.05 < deltas.std() < 0.8  # calibrated to 0.2 of a box's size

    @pytest.mark.full
    def test_behave_like_trained_ones_at_the_real_size(self, photo_path):
        model = create_model("tee-0")
        photo = fitted(photo_path, (512, 512))
        check_spread(model, photo)
        regions = model(photo.image, photo.extent)
        assert regions.features.shape == (50, 1024)
        proposals, valid = model.propose(model.backbone(photo.image), photo.extent)
        used = model.assign_levels(proposals[valid]).bincount(minlength=4)
        assert (used > 0).sum() >= 3, "nearly all RoIs read one level"
        assert used.max() < 0.95 * 300


def test_every_batch_norm_has_an_eps_of_1e_3_and_a_momentum_of_1e_2(tiny):
    norms = [module for module in tiny.modules() if isinstance(module, nn.BatchNorm2d)]
    assert norms
    assert {(norm.eps, norm.momentum) for norm in norms} == {(1e-3, 0.01)}
