"""Boxes under every name, against the definition in plain Python and by hand."""

from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from minivlm.errors import UserError
from minivlm.evaluation.detection import Found
from minivlm.evaluation.whole_detector import LEAST_SCORE, MOST_NAMED, all_names
from minivlm.inference.detector import TorchDetector
from minivlm.vision.faster_rcnn import R101_F_TINY
from minivlm.vision.tee_config import TEE_TINY
from minivlm.weights.loading import load_model

Row = tuple[int, float, tuple[float, ...]]
"""Label, score and box."""
SIDE = 64
PHOTO = Image.new("RGB", (SIDE, SIDE))


class Scripted(TorchDetector):
    """A detector that says what it is told to, about a photo that is its input."""

    def __init__(self, boxes: Tensor, probabilities: Tensor, iou_threshold: float = 0.5) -> None:
        module = SimpleNamespace(
            propose=None,
            classify=lambda image, extent: (boxes, probabilities),
            config=SimpleNamespace(iou_threshold=iou_threshold),
        )
        object.__setattr__(self, "scripted", module)

    @property
    def module(self) -> Any:
        return self.__dict__["scripted"]

    def fit(self, photo: Image.Image) -> Any:
        return SimpleNamespace(image=torch.zeros(1, 3, SIDE, SIDE), extent=None, to_photo=lambda boxes: boxes)


def rows(found: Found) -> list[Row]:
    each = zip(found.labels.tolist(), found.scores.tolist(), found.corners.tolist(), strict=True)
    return in_order((label, score, tuple(box)) for label, score, box in each)


def in_order(listed: Iterable[Row]) -> list[Row]:
    """By falling score; which of equal ones comes first is open."""
    return sorted(listed, key=lambda one: (-one[1], one[0], one[2]))


def test_a_box_is_listed_under_every_name_and_each_class_suppresses_its_own() -> None:
    left, near, right = [0.0, 0.0, 20.0, 20.0], [0.0, 0.0, 20.0, 18.0], [30.0, 0.0, 50.0, 20.0]
    boxes = torch.tensor([left, near, right])[:, None].expand(3, 2, 4)
    found = all_names(Scripted(boxes, torch.tensor([[0.6, 0.3], [0.5, 0.4], [0.04, 0.9]])), PHOTO)
    # By hand: the first two overlap by 18 / 20, so that of class 0 the first stays, of class 1 the second. The third
    # is class 1 only, as 0.04 is too little.
    assert [(label, pytest.approx(score), box) for label, score, box in rows(found)] == [
        (1, 0.9, tuple(right)),
        (0, 0.6, tuple(left)),
        (1, 0.4, tuple(near)),
    ]


@given(st.integers(0, 2**31), st.integers(1, 60), st.integers(1, 8), st.sampled_from([0.3, 0.5]))
def test_names_are_those_of_the_definition(seed: int, count: int, classes: int, threshold: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    first = torch.randint(0, SIDE - 1, (count, classes, 2), generator=generator).float()
    last = first + 1.0 + torch.rand(count, classes, 2, generator=generator) * (SIDE - 1.0 - first)
    boxes = torch.cat([first, last], dim=2)
    probabilities = torch.softmax(4.0 * torch.randn(count, classes + 1, generator=generator), dim=1)[:, 1:]
    found = all_names(Scripted(boxes, probabilities, threshold), PHOTO)
    assert rows(found) == by_definition(boxes, probabilities, threshold)


def by_definition(boxes: Tensor, probabilities: Tensor, threshold: float) -> list[tuple[int, float, tuple[float, ...]]]:
    """What maskrcnn-benchmark's post-processing says, class by class and box by box."""
    listed = []
    for label in range(probabilities.shape[1]):
        scores, own = probabilities[:, label].tolist(), boxes[:, label].tolist()
        kept: list[int] = []
        for row in sorted(range(len(own)), key=lambda row: -scores[row]):
            if scores[row] > LEAST_SCORE and all(overlap(own[row], own[better]) <= threshold for better in kept):
                kept.append(row)
        listed += [(label, scores[row], tuple(own[row])) for row in kept]
    return in_order(listed)[:MOST_NAMED]


def overlap(one: list[float], other: list[float]) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    shared = max(0.0, width) * max(0.0, height)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return shared / (sum(areas) - shared)


def test_no_more_than_the_best_hundred_of_a_picture() -> None:
    corners = torch.arange(60.0)[:, None] * torch.tensor([1.0, 0.0, 1.0, 0.0]) + torch.tensor([0.0, 0.0, 1.0, 1.0])
    boxes = corners[:, None].expand(60, 2, 4)  # none overlaps another
    probabilities = torch.linspace(0.1, 0.49, 120).reshape(60, 2)
    found = all_names(Scripted(boxes, probabilities), PHOTO)
    assert len(found.scores) == MOST_NAMED == 100
    assert found.scores.min() == pytest.approx(0.1 + 20 * 0.39 / 119, abs=1e-6)  # the 20 least of 120 are left out


def test_nothing_likely_is_nothing() -> None:
    found = all_names(Scripted(torch.ones(3, 2, 4), torch.full((3, 2), LEAST_SCORE)), PHOTO)
    assert (found.corners.shape, len(found.labels), len(found.scores)) == ((0, 4), 0, 0)


@pytest.mark.parametrize(("name", "config"), [("tee-tiny", TEE_TINY), ("r101-f-tiny", R101_F_TINY)])
def test_every_region_is_one_of_the_boxes_under_its_name(name: str, config: Any, photo_path: Any) -> None:
    backend = TorchDetector(load_model(name), tags=(), attributes=())
    fitted = backend.fit(Image.open(photo_path).convert("RGB"))
    regions = backend.regions(fitted)
    boxes, probabilities = backend.module.classify(fitted.image, fitted.extent)
    assert boxes.shape == (*probabilities.shape, 4)
    assert probabilities.shape[1] == config.classes - 1
    there = regions.valid
    for box, tag, score in zip(regions.boxes[there], regions.tags[there], regions.scores[there], strict=True):
        row = (probabilities[:, tag] - score).abs().argmin()
        # Both are the same sums of the same numbers, but for how many rows are computed at once.
        torch.testing.assert_close(probabilities[row, tag], score, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(boxes[row, tag], box, rtol=1e-5, atol=1e-3)


def test_a_runtime_that_shows_regions_only_is_refused() -> None:
    with pytest.raises(UserError, match="--all-names needs a detector in PyTorch"):
        all_names(SimpleNamespace(), PHOTO)  # type: ignore[arg-type]
