"""Matching against torchvision's Matcher, and by hand where that one has no say: crowds, edges, nothing there."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from minivlm.ops import box_iou
from minivlm.training.matching import (
    ANCHOR_MATCHING,
    BACKGROUND,
    IGNORED,
    ROI_MATCHING,
    Matching,
    match_anchors,
    match_boxes,
    within_crowds,
)
from minivlm.vision.rpn import Anchors, RPNConfig
from tests.training.made import boxes_of, random_boxes, seeds, truth_of

SQUARE = [20.0, 20.0, 40.0, 40.0]
"""400 square pixels; one that starts d pixels lower shares (20 - d) / (20 + d) with it."""

WHOLE = torch.tensor([128.0, 128.0])


def lower(*shifts: float) -> torch.Tensor:
    return boxes_of(*([20.0, 20.0 + shift, 40.0, 40.0 + shift] for shift in shifts))


@pytest.mark.parametrize("rule", [ANCHOR_MATCHING, ROI_MATCHING])
@given(seed=seeds, objects=st.integers(1, 6))
def test_equals_torchvision(torchvision_detection, rule: Matching, seed: int, objects: int):
    boxes = torch.cat([random_boxes(200, seed), random_boxes(objects, seed + 1) + 2.0])
    truth = truth_of(random_boxes(objects, seed + 1))
    matcher = torchvision_detection._utils.Matcher(rule.positive, rule.negative, rule.best_counts)
    expected = matcher(box_iou(truth.boxes, boxes))
    assert (matcher.BELOW_LOW_THRESHOLD, matcher.BETWEEN_THRESHOLDS) == (BACKGROUND, IGNORED)
    assert torch.equal(match_boxes(boxes, truth, rule), expected)


def test_thresholds_belong_to_the_better_side():
    overlaps = box_iou(lower(0.0, 20.0 / 3.0, 8.0), boxes_of(SQUARE)).flatten()
    torch.testing.assert_close(overlaps, torch.tensor([1.0, 0.5, 3.0 / 7.0]), rtol=0, atol=1e-6)  # rounding
    exact = Matching(positive=float(overlaps[1]), negative=float(overlaps[2]), best_counts=False)
    assert match_boxes(lower(0.0, 20.0 / 3.0, 8.0, 8.1), truth_of(boxes_of(SQUARE)), exact).tolist() == [
        *(0, 0, IGNORED, BACKGROUND)
    ]


class TestAnchors:
    def test_the_best_finds_a_box_however_little_it_overlaps(self):
        anchors = boxes_of([0.0, 0.0, 24.0, 24.0], [60.0, 60.0, 80.0, 80.0])
        assert box_iou(anchors[:1], boxes_of(SQUARE)) < 0.1
        assert match_anchors(anchors, truth_of(boxes_of(SQUARE)), WHOLE, crossing=False).tolist() == [0, -1]

    def test_an_object_that_no_anchor_touches_is_nobodys(self):
        far = truth_of(boxes_of([100.0, 100.0, 110.0, 110.0]))
        assert match_boxes(lower(0.0, 5.0), far, ANCHOR_MATCHING).tolist() == [BACKGROUND, BACKGROUND]

    def test_those_that_cross_the_photo_learn_only_where_they_should(self):
        anchors = lower(0.0, 1.0)  # the photo ends at 40, where the first does, too
        assert match_anchors(anchors, truth_of(anchors), torch.tensor([40.0, 128.0]), crossing=False).tolist() == [
            0,
            IGNORED,
        ]
        assert match_anchors(anchors, truth_of(anchors), torch.tensor([128.0, 39.5]), crossing=False).tolist() == [
            IGNORED,
            IGNORED,
        ]
        left = anchors - torch.tensor([20.5, 0.0, 20.5, 0.0])
        assert match_anchors(left, truth_of(anchors), WHOLE, crossing=False).tolist() == [IGNORED, IGNORED]
        assert match_anchors(left, truth_of(left), WHOLE, crossing=True).tolist() == [0, 1]

    def test_of_every_level_find_objects_of_their_size(self):
        config = RPNConfig(anchor_sizes=(8, 16, 32, 64, 128))
        grid = Anchors(config, [(32, 32), (16, 16), (8, 8), (4, 4), (2, 2)])
        anchors = grid.all_boxes(torch.device("cpu"))
        boxes = boxes_of(
            *([48.0 - size / 2, 48.0 - size / 2, 48.0 + size / 2, 48.0 + size / 2] for size in (8, 32, 64))
        )
        matches = match_anchors(anchors, truth_of(boxes), WHOLE, crossing=False)
        _, levels = grid.boxes(torch.arange(grid.count))
        assert [levels[matches == row].unique().tolist() for row in range(3)] == [[0], [2], [3]]


class TestNothingThere:
    def test_makes_all_background(self):
        nothing = truth_of(boxes_of())
        assert match_boxes(lower(0.0, 5.0), nothing, ROI_MATCHING).tolist() == [BACKGROUND, BACKGROUND]

    def test_to_match(self):
        assert match_boxes(boxes_of(), truth_of(boxes_of(SQUARE)), ROI_MATCHING).shape == (0,)


class TestCrowds:
    def test_are_no_background_for_what_lies_within(self):
        crowd = boxes_of([0.0, 0.0, 128.0, 34.0])  # 14 of the square's 20 rows: .7 of it, of the next less
        truth = truth_of(boxes_of([100.0, 100.0, 120.0, 120.0]), crowds=crowd)
        assert within_crowds(lower(0.0, 0.1), crowd).tolist() == [True, False]
        assert match_boxes(lower(0.0, 0.1), truth, ROI_MATCHING).tolist() == [IGNORED, BACKGROUND]

    def test_alone_in_a_picture(self):
        truth = truth_of(boxes_of(), crowds=boxes_of(SQUARE))
        assert match_boxes(lower(0.0, 15.0), truth, ANCHOR_MATCHING).tolist() == [IGNORED, BACKGROUND]

    def test_hide_no_object(self):
        truth = truth_of(boxes_of(SQUARE), crowds=boxes_of([0.0, 0.0, 128.0, 128.0]))
        assert match_boxes(lower(0.0, 15.0), truth, ROI_MATCHING).tolist() == [0, IGNORED]


class TestTruth:
    def test_has_boxes_with_area(self):
        with pytest.raises(ValueError, match="width and height"):
            truth_of(boxes_of([5.0, 5.0, 5.0, 9.0]))

    def test_leaves_class_0_to_the_background(self):
        with pytest.raises(ValueError, match="start at 1"):
            truth_of(boxes_of(SQUARE), [0])

    def test_has_as_many_of_each(self):
        with pytest.raises(ValueError, match=r"not \[1, 2\] rows"):
            truth_of(boxes_of(SQUARE), [1, 2])
