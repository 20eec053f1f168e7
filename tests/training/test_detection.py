"""Losses against torchvision's and by hand, and what of a detector they reach."""

from dataclasses import fields, replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from minivlm.models.registry import build
from minivlm.ops import nonempty
from minivlm.training.detection import (
    LESSONS,
    SMALL_LESSONS,
    AnchorTargets,
    Batch,
    DetectionLosses,
    Lessons,
    anchor_losses,
    anchor_targets,
    attribute_loss,
    detection_losses,
    roi_losses,
)
from minivlm.training.matching import Truth, match_anchors, side_by_side
from minivlm.training.sampling import SMALL_ROI_SAMPLING, Rois, Sampling, sample_rois
from minivlm.vision.box_head import AttributeHead
from minivlm.vision.rpn import Anchors
from minivlm.vision.tee import TEE
from minivlm.vision.tee_config import TEE_TINY
from minivlm.weights.loading import create_model
from tests.training.made import boxes_of, random_boxes, seeded, seeds, truth_of

FEW = [(8, 8), (4, 4), (2, 2), (1, 1), (1, 1)]
"""Cells of a 32x32 input: 258 anchors, of which those within fewer than 128 x 128 are few enough to be sampled all."""
EXACT = 1e-6
"""Sums of at most some hundred float32 terms, relative to the sum and, where it is 0, absolute."""


@pytest.fixture(scope="module")
def model() -> TEE:
    """Random weights with the statistics of trained ones, so that proposals find objects; BatchNorm stands still."""
    return create_model("tee-tiny").requires_grad_()


def batch_of(*truths: Truth, side: int = 128) -> Batch:
    images = torch.randn(len(truths), 3, side, side, generator=seeded(5))
    return Batch(images=images, extents=torch.full((len(truths), 2), float(side)), truths=side_by_side(truths))


def two_truths() -> tuple[Truth, Truth]:
    first = truth_of(random_boxes(4, 0), [1, 2, 3, 40], [[1, 5], [], [10], [2]])
    return first, truth_of(random_boxes(3, 1), [7, 7, 9])


def two_pictures() -> Batch:
    return batch_of(*two_truths())


def targets_of(model: TEE, batch: Batch) -> AnchorTargets:
    return anchor_targets(model, FEW, batch, seeded(), LESSONS)


class TestAnchors:
    def test_cost_as_in_torchvision(self, torchvision_detection, model):
        truths = (truth_of(random_boxes(3, 0, side=30.0)), truth_of(boxes_of()))
        batch = replace(batch_of(*truths, side=32), extents=torch.tensor([[32.0, 32.0], [32.0, 24.0]]))
        objectness, moves = torch.randn(2, 258, generator=seeded(1)), torch.randn(2, 258, 4, generator=seeded(2))
        losses = anchor_losses(objectness, moves, targets_of(model, batch))

        rpn = torchvision_detection.rpn.RegionProposalNetwork(None, None, 0.7, 0.3, 256, 0.5, {}, {}, 0.7)
        anchors = Anchors(model.config.rpn, FEW).all_boxes(objectness.device)
        labels, boxes = rpn.assign_targets_to_anchors([anchors] * 2, [{"boxes": truth.boxes} for truth in truths])
        for label, extent in zip(labels, batch.extents, strict=True):
            crosses = (anchors[:, :2] < 0.0).any(dim=1) | (anchors[:, 2:] > extent.flip(0)).any(dim=1)
            label[crosses] = -1.0
            assert 30 < (label >= 0.0).sum() <= 256
        assert (labels[0] > 0.0).sum() >= 3
        boxes[1] = boxes[1] + anchors  # of no object: torchvision would take the logarithm of 0
        targets = rpn.box_coder.encode(boxes, [anchors] * 2)
        expected = rpn.compute_loss(objectness.flatten(), moves.flatten(0, 1), labels, list(targets))
        torch.testing.assert_close(losses, expected, rtol=EXACT, atol=0)

    @given(seed=seeds, objects=st.integers(1, 5), wrong=st.floats(0.01, 3.0))
    def test_cost_nothing_when_right_and_more_when_wrong(self, model, seed: int, objects: int, wrong: float):
        truth = truth_of(random_boxes(objects, seed, side=32.0))
        batch, extent = batch_of(truth, side=32), torch.tensor([32.0, 32.0])
        anchors = Anchors(model.config.rpn, FEW).all_boxes(extent.device)
        matches, targets = match_anchors(anchors, truth, extent, crossing=False), targets_of(model, batch)
        right = torch.where(matches >= 0, 12.0, -12.0)
        moves = model.selector.coder.encode(truth.boxes[matches.clamp(min=0)], anchors)
        least = anchor_losses(right[None], moves[None], targets)
        assert max(least) < 1e-5  # log(1 + exp(-12)) is 6e-6
        of_objectness, _ = anchor_losses(right[None] * (1.0 - wrong), moves[None], targets)
        assert of_objectness > least[0]
        _, of_moves = anchor_losses(right[None], moves[None] + wrong, targets)
        assert of_moves > least[1] or not (matches >= 0).any()


def sampled(truths: Truth, seed: int = 0) -> Rois:
    """RoIs around the objects, some near enough, and elsewhere."""
    near = truths.boxes.repeat(1, 5, 1)
    near = near + 2.0 * torch.randn(*near.shape[:2], 1, generator=seeded(seed))
    proposals = torch.cat([near, random_boxes(20, seed).expand(len(near), -1, -1)], dim=1)
    return sample_rois(proposals, nonempty(proposals), truths, SMALL_ROI_SAMPLING, seeded(seed))


class TestRois:
    def test_cost_as_in_torchvision(self, torchvision_detection, model):
        truths = side_by_side([*two_truths(), truth_of(boxes_of())])
        rois = sampled(truths)
        rows = rois.kept.numel()
        assert 0 < rois.kept.sum() < rows
        logits, deltas = torch.randn(rows, 41, generator=seeded(1)), 2.0 * torch.randn(rows, 4, generator=seeded(2))
        losses = roi_losses(model, logits, deltas, rois, truths)

        coder = torchvision_detection._utils.BoxCoder(weights=(10.0, 10.0, 5.0, 5.0))
        objects = truths.boxes[torch.arange(3)[:, None], rois.objects]
        objects = torch.where(rois.classes[:, :, None] > 0, objects, rois.boxes)
        targets = [
            coder.encode([wanted[kept]], [boxes[kept]])[0]
            for wanted, boxes, kept in zip(objects, rois.boxes, rois.kept, strict=True)
        ]
        learns = rois.kept.flatten()
        # Its beta is 1/9: nine times the loss of a ninth is that of beta 1. Its deltas are those of each class.
        of_classes, of_deltas = torchvision_detection.roi_heads.fastrcnn_loss(
            logits[learns],
            deltas[learns].repeat(1, 41) / 9.0,
            [rois.classes[rois.kept]],
            [each / 9.0 for each in targets],
        )
        torch.testing.assert_close(losses, (of_classes, 9.0 * of_deltas), rtol=EXACT, atol=0)

    @given(seed=seeds, wrong=st.floats(0.01, 3.0))
    def test_cost_nothing_when_right_and_more_when_wrong(self, model, seed: int, wrong: float):
        truths = side_by_side([truth_of(random_boxes(3, seed), [4, 5, 6])])
        rois = sampled(truths, seed)
        logits = 12.0 * F.one_hot(rois.classes[0], 41)
        deltas, found = torch.zeros(len(logits), 4), rois.classes[0] > 0
        deltas[found] = model.coder.encode(truths.boxes[0][rois.objects[0][found]], rois.boxes[0][found])
        least = roi_losses(model, logits, deltas, rois, truths)
        assert max(least) < 3e-4  # 40 exp(-12) is 2.5e-4
        of_classes, _ = roi_losses(model, logits * (1.0 - wrong), deltas, rois, truths)
        _, of_deltas = roi_losses(model, logits, deltas + wrong, rois, truths)
        assert of_classes > least[0]
        assert of_deltas > least[1]


class TestAttributes:
    @pytest.fixture(scope="class")
    def head(self) -> AttributeHead:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return AttributeHead(6, classes=41, embedding=4, hidden=8, attributes=11)

    def test_cost_by_hand(self, head):
        boxes = boxes_of([0.0, 0.0, 9.0, 9.0], [20.0, 20.0, 30.0, 30.0])
        truths = side_by_side([truth_of(boxes, [7, 8], [[1, 5], []]), truth_of(boxes, [9, 10], [[2], [3, 4, 6]])])
        rois = Rois(  # objects of each: 1 without attributes, 0 with two; then 1 with three
            boxes=torch.zeros(2, 3, 4),
            objects=torch.tensor([[1, 0, 0], [1, 0, 0]]),
            classes=torch.tensor([[8, 7, 0], [10, 0, 0]]),
            kept=torch.tensor([[True, True, True], [True, True, False]]),
        )
        features = torch.randn(6, 6, generator=seeded())

        def said(row: int, kind: int, *attributes: int) -> Tensor:
            logits = head(features[row : row + 1], torch.tensor([kind]))[0]
            return -(logits - logits.exp().sum().log())[list(attributes)].mean()

        expected = (said(1, 7, 1, 5) + said(3, 10, 3, 4, 6)) / 2
        torch.testing.assert_close(attribute_loss(head, features, rois, truths), expected, rtol=EXACT, atol=0)

    def test_that_nobody_named_cost_nothing(self, head):
        truths = side_by_side([truth_of(boxes_of([0.0, 0.0, 9.0, 9.0]))])
        one = torch.ones(1, 1, dtype=torch.int64)
        rois = Rois(boxes=truths.boxes, objects=0 * one, classes=one, kept=one > 0)
        assert attribute_loss(head, torch.randn(1, 6), rois, truths) == 0.0
        assert attribute_loss(None, torch.randn(1, 6), rois, truths) == 0.0


def idle(batch: Batch, lessons: Lessons) -> list[str]:
    """Names of the parameters that a batch does not reach."""
    model = create_model("tee-tiny").requires_grad_()
    detection_losses(model, batch, seeded(), lessons).total.backward()
    return [key for key, value in model.named_parameters() if value.grad is None or not value.grad.any()]


class TestDetector:
    def test_learns_in_all_its_parameters(self):
        large = truth_of(boxes_of([40.0, 40.0, 160.0, 160.0], [8.0, 8.0, 20.0, 20.0]), [1, 2], [[3], []])
        assert idle(batch_of(large, side=256), LESSONS) == []
        assert idle(two_pictures(), SMALL_LESSONS) == []

    def test_leaves_a_level_idle_whose_anchors_all_cross_the_photo(self):
        names = idle(two_pictures(), LESSONS)  # those of stride 64 are 128 wide and high, and no cell is in the middle
        assert names
        assert all(name.startswith("backbone.bifpn.cells.0.bottom_up.3.") for name in names)

    def test_total_is_the_sum_with_half_of_the_attributes(self):
        losses = DetectionLosses(
            **{field.name: torch.tensor(2.0**n) for n, field in enumerate(fields(DetectionLosses))}
        )
        assert losses.attributes == 16.0
        assert losses.total == 1.0 + 2.0 + 4.0 + 8.0 + 16.0 / 2

    def test_follows_the_generator_alone(self, model):
        first, second, third = (detection_losses(model, two_pictures(), seeded(seed)) for seed in (3, 3, 4))
        assert first.total == second.total
        assert first.total != third.total

    @pytest.mark.parametrize("each", ["nothing", "crowd"])
    def test_pictures_without_objects_teach_background(self, each: str):
        model = create_model("tee-tiny").requires_grad_()
        crowds = boxes_of([0.0, 0.0, 64.0, 64.0]) if each == "crowd" else None
        losses = detection_losses(model, batch_of(*[truth_of(boxes_of(), crowds=crowds)] * 2), seeded())
        assert losses.objectness > 0.0
        assert losses.classes > 0.0
        assert (losses.anchor_deltas, losses.deltas, losses.attributes) == (0.0, 0.0, 0.0)
        losses.total.backward()
        assert all(value.grad is None or value.grad.isfinite().all() for value in model.parameters())

    def test_a_picture_that_is_all_crowd_teaches_nothing(self, model):
        everything = truth_of(boxes_of(), crowds=boxes_of([0.0, 0.0, 128.0, 128.0]))
        assert detection_losses(model, batch_of(everything), seeded()).total == 0.0

    def test_and_spoils_none_beside_it(self, model):
        everything = truth_of(boxes_of(), crowds=boxes_of([0.0, 0.0, 128.0, 128.0]))
        alone, beside = batch_of(two_truths()[0]), batch_of(two_truths()[0], everything)
        beside = replace(beside, images=torch.cat([alone.images, alone.images.flip(3)]))
        # All RoIs learn, and chance deals the first picture's anchors first: both draw the same.
        lessons = Lessons(crossing=False, rois=Sampling(count=200, positive_share=1.0))
        for field in fields(DetectionLosses):
            one, other = (
                getattr(detection_losses(model, batch, seeded(), lessons), field.name) for batch in (alone, beside)
            )
            torch.testing.assert_close(other, one, rtol=1e-4, atol=0)  # a batch's layers sum in another order

    def test_without_attributes_in_its_config(self):
        model = build(replace(TEE_TINY, attributes=0))
        model.initialize(seeded())
        assert detection_losses(model, two_pictures(), seeded()).attributes == 0.0

    def test_autocast_leaves_losses_in_float32(self, model):
        exact = detection_losses(model, two_pictures(), seeded(), SMALL_LESSONS)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            rough = detection_losses(model, two_pictures(), seeded(), SMALL_LESSONS)
        for field in fields(DetectionLosses):
            assert getattr(rough, field.name).dtype == torch.float32
        # 8 bits of mantissa through some 50 layers: proposals change, and which of them learn.
        assert rough.total.item() == pytest.approx(exact.total.item(), rel=0.2)

    @settings(max_examples=10)
    @given(seed=seeds, objects=st.integers(0, 90))
    def test_shows_the_box_head_no_more_than_the_sample(self, model, seed: int, objects: int):
        shown: list[int] = []
        handle = model.box_head.register_forward_pre_hook(lambda _, inputs: shown.append(len(inputs[0])))
        batch = batch_of(truth_of(random_boxes(objects, seed)), truth_of(boxes_of()))
        with torch.no_grad():
            detection_losses(model, batch, seeded(seed), SMALL_LESSONS)
        handle.remove()
        assert 0 < sum(shown) <= 2 * SMALL_ROI_SAMPLING.count
