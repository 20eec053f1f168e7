"""Sampling against torchvision's counts, and by its own promises."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from minivlm.ops import box_iou
from minivlm.training.matching import BACKGROUND, IGNORED, Truth, side_by_side
from minivlm.training.sampling import (
    ANCHOR_SAMPLING,
    ROI_SAMPLING,
    SMALL_ROI_SAMPLING,
    Sampling,
    sample,
    sample_rois,
)
from tests.training.made import boxes_of, random_boxes, seeded, seeds, truth_of


def drawn_of(matches: Tensor, rule: Sampling, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Rows with objects, and of background."""
    drawn = sample(matches, rule, generator)
    assert torch.equal(drawn.kept, drawn.positive | drawn.kept)
    return drawn.rows[drawn.positive], drawn.rows[drawn.kept & ~drawn.positive]


def test_draws_of_several_pictures_at_once_as_of_each():
    matches = torch.tensor([[0, 0, BACKGROUND, IGNORED, BACKGROUND], [IGNORED] * 5, [1, 1, 1, 1, 1]])
    drawn = sample(matches, Sampling(count=3, positive_share=0.67), seeded())
    assert drawn.positive.tolist() == [[True, True, False], [False] * 3, [True, True, False]]
    assert drawn.kept.tolist() == [[True] * 3, [False] * 3, [True, True, False]]
    assert sorted(drawn.rows[0, :2].tolist()) == [0, 1]
    assert drawn.rows[0, 2] in (2, 4)


rules = st.sampled_from([ANCHOR_SAMPLING, ROI_SAMPLING, SMALL_ROI_SAMPLING, Sampling(count=7, positive_share=0.5)])


@given(seed=seeds, rule=rules, boxes=st.integers(0, 1500), objects=st.floats(0.0, 1.0))
def test_takes_as_many_as_torchvision(torchvision_detection, seed, rule: Sampling, boxes: int, objects: float):
    chance = torch.rand(boxes, generator=seeded(seed))
    matches = torch.where(chance < objects, 3, torch.where(chance < 0.9, BACKGROUND, IGNORED))
    positive, negative = drawn_of(matches, rule, seeded(seed))
    assert (matches[positive] == 3).all()
    assert (matches[negative] == BACKGROUND).all()
    assert len(torch.cat([positive, negative]).unique()) == len(positive) + len(negative) <= rule.count
    assert len(positive) <= rule.count * rule.positive_share
    sampler = torchvision_detection._utils.BalancedPositiveNegativeSampler(rule.count, rule.positive_share)
    labels = torch.where(matches == 3, 1, torch.where(matches == BACKGROUND, 0, -1))
    [of_objects], [of_background] = sampler([labels])
    assert (len(positive), len(negative)) == (int(of_objects.sum()), int(of_background.sum()))


def test_follows_the_generator_alone():
    matches = torch.tensor([0, BACKGROUND]).repeat(1000)
    first, second, third = (sample(matches, ANCHOR_SAMPLING, seeded(seed)).rows for seed in (0, 0, 1))
    assert torch.equal(first, second)
    assert not torch.equal(first, third)


def test_every_box_has_the_same_chance():
    generator, drawn = seeded(), torch.zeros(40)
    for _ in range(1000):
        positive, _ = drawn_of(torch.zeros(40, dtype=torch.int64), Sampling(count=20, positive_share=0.5), generator)
        drawn[positive] += 1
    # 1000 draws of 10 in 40: 250 each, standard deviation 13.7, so six of them are 82.
    assert (drawn - 250.0).abs().max() < 82.0


def rois_of(proposals: Tensor, truth: Truth, rule: Sampling, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Boxes, objects and classes of one picture's RoIs, without what only fills."""
    valid = torch.ones(1, len(proposals), dtype=torch.bool)
    rois = sample_rois(proposals[None], valid, side_by_side([truth]), rule, seeded(seed))
    return rois.boxes[rois.kept], rois.objects[rois.kept], rois.classes[rois.kept]


class TestRois:
    @given(seed=seeds, objects=st.integers(0, 8), proposals=st.integers(0, 150), rule=rules)
    def test_are_of_the_object_they_are_given(self, seed, objects: int, proposals: int, rule: Sampling):
        truth = truth_of(random_boxes(objects, seed + 1), [2 + row for row in range(objects)])
        boxes, objects_found, classes = rois_of(random_boxes(proposals, seed), truth, rule, seed)
        found = int((classes > 0).sum())
        assert len(boxes) <= rule.count
        assert classes[:found].tolist() == [2 + row for row in objects_found[:found].tolist()]
        assert not classes[found:].any()
        if objects and len(boxes):
            overlap = box_iou(boxes, truth.boxes)
            assert (overlap[:found].gather(1, objects_found[:found, None]) >= 0.5).all()
            assert (overlap[found:] < 0.5).all()

    def test_hold_the_annotated_boxes(self):
        truth = truth_of(random_boxes(5, 0), [1, 2, 3, 4, 5])
        boxes, _, classes = rois_of(boxes_of(), truth, SMALL_ROI_SAMPLING)
        assert sorted(boxes.tolist()) == sorted(truth.boxes.tolist())
        assert sorted(classes.tolist()) == [1, 2, 3, 4, 5]

    def test_of_a_picture_without_objects_are_background(self):
        _, _, classes = rois_of(random_boxes(100, 0), truth_of(boxes_of()), SMALL_ROI_SAMPLING)
        assert classes.tolist() == [0] * 64

    def test_never_come_from_rows_that_only_fill(self):
        truths = side_by_side([truth_of(random_boxes(4, 0)), truth_of(boxes_of())])
        proposals, valid = random_boxes(20, 1).expand(2, -1, -1), torch.arange(20).expand(2, -1) < 9
        rois = sample_rois(proposals, valid, truths, SMALL_ROI_SAMPLING, seeded())
        assert rois.kept.sum(dim=1).tolist()[1] == 9
        assert not rois.classes[1].any()
        rows = [proposals[0, :9].tolist().index(box) for box in rois.boxes[1][rois.kept[1]].tolist()]
        assert sorted(rows) == list(range(9))
