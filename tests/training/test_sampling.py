"""Sampling against torchvision's counts, and by its own promises."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from minivlm.ops import box_iou
from minivlm.training.matching import BACKGROUND, IGNORED
from minivlm.training.sampling import (
    ANCHOR_SAMPLING,
    ROI_SAMPLING,
    SMALL_ROI_SAMPLING,
    Sampling,
    sample,
    sample_rois,
)
from tests.training.made import boxes_of, random_boxes, seeded, seeds, truth_of

rules = st.sampled_from([ANCHOR_SAMPLING, ROI_SAMPLING, SMALL_ROI_SAMPLING, Sampling(count=7, positive_share=0.5)])


@given(seed=seeds, rule=rules, boxes=st.integers(0, 1500), objects=st.floats(0.0, 1.0))
def test_takes_as_many_as_torchvision(torchvision_detection, seed, rule: Sampling, boxes: int, objects: float):
    chance = torch.rand(boxes, generator=seeded(seed))
    matches = torch.where(chance < objects, 3, torch.where(chance < 0.9, BACKGROUND, IGNORED))
    positive, negative = sample(matches, rule, seeded(seed))
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
    first, second, third = (torch.cat(sample(matches, ANCHOR_SAMPLING, seeded(seed))) for seed in (0, 0, 1))
    assert torch.equal(first, second)
    assert not torch.equal(first, third)


def test_every_box_has_the_same_chance():
    generator, drawn = seeded(), torch.zeros(40)
    for _ in range(1000):
        positive, _ = sample(torch.zeros(40, dtype=torch.int64), Sampling(count=20, positive_share=0.5), generator)
        drawn[positive] += 1
    # 1000 draws of 10 in 40: 250 each, standard deviation 13.7, so six of them are 82.
    assert (drawn - 250.0).abs().max() < 82.0


class TestRois:
    @given(seed=seeds, objects=st.integers(0, 8), proposals=st.integers(0, 150), rule=rules)
    def test_are_of_the_object_they_are_given(self, seed, objects: int, proposals: int, rule: Sampling):
        truth = truth_of(random_boxes(objects, seed + 1), [2 + row for row in range(objects)])
        rois = sample_rois(random_boxes(proposals, seed), truth, rule, seeded(seed))
        found = len(rois.objects)
        assert len(rois.boxes) == len(rois.classes) <= rule.count
        assert rois.classes[:found].tolist() == [2 + row for row in rois.objects.tolist()]
        assert not rois.classes[found:].any()
        if objects and len(rois.boxes):
            overlap = box_iou(rois.boxes, truth.boxes)
            assert (overlap[:found].gather(1, rois.objects[:, None]) >= 0.5).all()
            assert (overlap[found:] < 0.5).all()

    def test_hold_the_annotated_boxes(self):
        truth = truth_of(random_boxes(5, 0), [1, 2, 3, 4, 5])
        rois = sample_rois(boxes_of(), truth, SMALL_ROI_SAMPLING, seeded())
        assert sorted(rois.boxes.tolist()) == sorted(truth.boxes.tolist())
        assert sorted(rois.classes.tolist()) == [1, 2, 3, 4, 5]

    def test_of_a_picture_without_objects_are_background(self):
        rois = sample_rois(random_boxes(100, 0), truth_of(boxes_of()), SMALL_ROI_SAMPLING, seeded())
        assert rois.classes.tolist() == [0] * 64
        assert rois.objects.shape == (0,)
