"""The RPN against anchor arithmetic, and its selection against the per-level rules written in plain Python."""

import math
from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from minivlm.vision.rpn import Anchors, ProposalSelector, RPNConfig, RPNHead

Box = list[float]
Sizes = list[tuple[int, int]]
STRIDES = (4, 8, 16, 32, 64)


def level_sizes(height: int, width: int) -> Sizes:
    """Rows and columns of every level; stride 64 is rounded up."""
    return [(math.ceil(height / stride), math.ceil(width / stride)) for stride in STRIDES]


def all_anchors(config: RPNConfig, sizes: Sizes) -> list[tuple[int, Box]]:
    """(level, box) of every anchor in order: centred on its cell, of the level's area and the ratio's shape."""
    anchors = []
    for level, (rows, columns) in enumerate(sizes):
        stride, size = config.strides[level], config.anchor_sizes[level]
        for row, column, ratio in product(range(rows), range(columns), config.aspect_ratios):
            width, height = size / math.sqrt(ratio), size * math.sqrt(ratio)
            x, y = (column + 0.5) * stride, (row + 0.5) * stride
            anchors.append((level, [x - width / 2, y - height / 2, x + width / 2, y + height / 2]))
    return anchors


def decode(anchor: Box, delta: Box) -> Box:
    """Girshick et al. (2014), appendix C."""
    width, height = anchor[2] - anchor[0], anchor[3] - anchor[1]
    x, y = anchor[0] + (0.5 + delta[0]) * width, anchor[1] + (0.5 + delta[1]) * height
    width, height = width * math.exp(delta[2]), height * math.exp(delta[3])
    return [x - width / 2, y - height / 2, x + width / 2, y + height / 2]


def clip(box: Box, height: float, width: float) -> Box:
    return [min(max(value, 0.0), limit) for value, limit in zip(box, [width, height] * 2, strict=True)]


def iou(a: Box, b: Box) -> float:
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    shared = max(width, 0.0) * max(height, 0.0)
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)


def proposals_by_level(
    config: RPNConfig, per_level: int, objectness: Tensor, deltas: Tensor, sizes: Sizes, extent: tuple[float, float]
) -> list[Box]:
    """maskrcnn-benchmark's rules: of each level the best 1000 go through an NMS, then the best 300 of all are kept."""
    scores, moves = objectness.tolist(), deltas.tolist()
    anchors = all_anchors(config, sizes)
    survivors: list[tuple[float, Box]] = []
    for level in range(len(sizes)):
        members = [index for index, (of, _) in enumerate(anchors) if of == level]
        best = sorted(members, key=lambda index: -scores[index])[:per_level]
        kept: list[Box] = []
        for index in best:
            box = clip(decode(anchors[index][1], moves[index]), *extent)
            if box[2] <= box[0] or box[3] <= box[1]:
                continue
            if all(iou(box, other) <= config.iou_threshold for other in kept):
                kept.append(box)
                survivors.append((scores[index], box))
    return [box for _, box in sorted(survivors, key=lambda item: -item[0])[: config.proposals]]


def select(config: RPNConfig, objectness: Tensor, deltas: Tensor, sizes: Sizes, extent: tuple[float, float]) -> Tensor:
    """The valid proposals, (N, 4); valid rows must come first."""
    boxes, valid = ProposalSelector(config)(objectness, deltas, sizes, torch.tensor(extent))
    assert boxes.shape == (config.proposals, 4)
    assert valid.tolist() == sorted(valid.tolist(), reverse=True)
    return boxes[valid]


class TestAnchors:
    @given(cells=st.lists(st.tuples(st.integers(1, 5), st.integers(1, 5)), min_size=5, max_size=5))
    @settings(max_examples=30, deadline=None)
    def test_every_number_gives_its_box_and_level(self, cells):
        expected = all_anchors(RPNConfig(), cells)
        boxes, levels = Anchors(RPNConfig(), cells).boxes(torch.arange(len(expected)))
        assert levels.tolist() == [level for level, _ in expected]
        # Pixels; float32 at coordinates up to 700.
        torch.testing.assert_close(boxes, torch.tensor([box for _, box in expected]), rtol=0, atol=1e-3)

    def test_all_are_those_of_every_number(self):
        sizes = level_sizes(96, 160)
        expected = torch.tensor([box for _, box in all_anchors(RPNConfig(), sizes)])
        boxes = Anchors(RPNConfig(), sizes).all_boxes(torch.device("cpu"))
        torch.testing.assert_close(boxes, expected, rtol=0, atol=1e-3)

    def test_any_numbers_in_any_order(self):
        sizes = level_sizes(96, 160)
        numbers = torch.tensor([2879, 0, 2880, 2877, 0])
        boxes, levels = Anchors(RPNConfig(), sizes).boxes(numbers)
        # 24 x 40 cells of stride 4 hold the numbers 0 to 2879.
        assert levels.tolist() == [0, 0, 1, 0, 0]
        expected = torch.tensor([all_anchors(RPNConfig(), sizes)[number][1] for number in numbers.tolist()])
        torch.testing.assert_close(boxes, expected, rtol=0, atol=1e-3)

    def test_have_the_area_of_their_level_and_height_over_width_of_their_ratio(self):
        boxes, levels = Anchors(RPNConfig(), [(1, 1)] * 5).boxes(torch.arange(15))
        width, height = (boxes[:, 2:] - boxes[:, :2]).unbind(1)
        torch.testing.assert_close((width * height).sqrt(), 32.0 * 2.0**levels)  # 32 to 512 pixels
        torch.testing.assert_close(height / width, torch.tensor([0.5, 1.0, 2.0]).repeat(5))


@st.composite
def planted(draw) -> tuple[int, int, int, int]:
    """Level, row, column and anchor somewhere in a 96 x 160 image."""
    level = draw(st.integers(0, 4))
    rows, columns = level_sizes(96, 160)[level]
    return level, draw(st.integers(0, rows - 1)), draw(st.integers(0, columns - 1)), draw(st.integers(0, 2))


class TestOrder:
    @given(where=planted())
    @settings(max_examples=40, deadline=None)
    def test_a_peak_on_the_map_comes_out_as_the_box_of_its_anchor(self, where):
        # The maps carry logits and deltas themselves, 3 and 12 channels; the convolutions only pass them on.
        level, row, column, anchor = where
        head = RPNHead(channels=15, anchors=3).requires_grad_(False)
        head.objectness.weight.copy_(torch.eye(15)[:3, :, None, None])
        head.deltas.weight.copy_(torch.eye(15)[3:, :, None, None])
        sizes = level_sizes(96, 160)
        maps = [torch.zeros(1, 15, *size) for size in sizes]
        maps[level][0, anchor, row, column] = 5.0
        maps[level][0, 3 + 4 * anchor : 7 + 4 * anchor, row, column] = torch.tensor([0.25, -0.125, 0.5, -0.5])

        numbers = {key: index for index, key in enumerate(self.places(sizes))}
        config = RPNConfig(pre_nms=20, proposals=2)
        box = all_anchors(config, sizes)[numbers[where]][1]
        expected = clip(decode(box, [0.25, -0.125, 0.5, -0.5]), 96.0, 160.0)
        best = select(config, *head(maps), sizes, (96.0, 160.0))[0]
        torch.testing.assert_close(best, torch.tensor(expected), rtol=0, atol=1e-3)  # pixels, float32

    @staticmethod
    def places(sizes: Sizes) -> list[tuple[int, int, int, int]]:
        return [
            (level, row, column, anchor)
            for level, (rows, columns) in enumerate(sizes)
            for row, column, anchor in product(range(rows), range(columns), range(3))
        ]

    def test_a_batch_is_scored_as_each_of_its_pictures(self):
        torch.manual_seed(0)
        head = RPNHead(channels=6, anchors=3).double()
        maps = [torch.randn(3, 6, *size, dtype=torch.float64) for size in level_sizes(96, 160)]
        objectness, deltas = head.each(maps)
        for picture in range(3):
            alone = head([level[picture : picture + 1] for level in maps])
            # In double precision, where a fault would show and another order of sums does not.
            torch.testing.assert_close((objectness[picture], deltas[picture]), alone, rtol=0, atol=1e-12)

    def test_a_batch_is_no_picture(self):
        with pytest.raises(ValueError, match="one picture at a time"):
            RPNHead(channels=6, anchors=3)([torch.zeros(2, 6, 4, 4)])

    def test_the_two_convolutions_serve_all_levels_and_start_flat(self):
        head = RPNHead(channels=64, anchors=3)
        assert sum(value.numel() for value in head.parameters()) == 975  # 5 A (C + 1), the paper's 10^-3 M
        assert not head.objectness.bias.any()
        assert not head.deltas.bias.any()
        # 768 normal values: their deviation is within a tenth of the 0.01 of maskrcnn-benchmark.
        assert head.deltas.weight.std().item() == pytest.approx(0.01, rel=0.1)


# Every coordinate is a multiple of 1/2 and every area exact in float32, so both sides judge the same numbers: sizes
# are powers of two, the roots of the ratios are exact, boxes move by eighths of their size and keep it.
EXACT = RPNConfig(anchor_sizes=(8, 16, 32, 64, 128), aspect_ratios=(0.25, 1.0, 4.0), pre_nms=60, proposals=12)


@st.composite
def scored_anchors(draw) -> tuple[Tensor, Tensor, Sizes, tuple[float, float]]:
    sizes = level_sizes(32 * draw(st.integers(1, 3)), 32 * draw(st.integers(1, 3)))
    count = 3 * sum(rows * columns for rows, columns in sizes)
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32 - 1)))
    # A bonus for the upper levels lets boxes of several levels compete.
    bonus = torch.cat([torch.full((3 * rows * columns,), draw(st.integers(0, 300))) for rows, columns in sizes])
    noisy = torch.randperm(count, generator=generator) + bonus + torch.rand(count, generator=generator)
    objectness = noisy.argsort().argsort().float()  # ranks: no two are equal
    deltas = torch.zeros(count, 4)
    deltas[:, :2] = torch.randint(-8, 9, (count, 2), generator=generator) / 8
    extent = (float(draw(st.integers(1, sizes[0][0] * 4))), float(draw(st.integers(1, sizes[0][1] * 4))))
    return objectness, deltas, sizes, extent


class TestSelection:
    @given(case=scored_anchors())
    @settings(max_examples=60, deadline=None)
    def test_equals_selection_level_by_level_as_far_as_it_goes(self, case):
        # One selection over all levels sees fewer anchors than one a level, so it may run out early; what it gives is
        # the same, and the same number whenever it finds as many as are wanted.
        ours = select(EXACT, *case).tolist()
        theirs = proposals_by_level(EXACT, EXACT.pre_nms, *case)
        assert ours == theirs[: len(ours)]
        if len(case[0]) <= EXACT.pre_nms:
            assert len(ours) == len(theirs)

    def test_equals_selection_level_by_level_at_the_detector_s_own_numbers(self):
        sizes = level_sizes(224, 320)
        count = 3 * sum(rows * columns for rows, columns in sizes)
        generator = torch.Generator().manual_seed(0)
        objectness = torch.randn(count, generator=generator)
        objectness[-len(sizes) * 300 :] += 1.0  # so that large boxes compete with the many small ones
        deltas = 0.2 * torch.randn(count, 4, generator=generator)
        ours = select(RPNConfig(), objectness, deltas, sizes, (200.0, 310.0))
        # `e2e_faster_rcnn_efficient_det_tb.yaml` in amsword/maskrcnn-benchmark, and its defaults.
        theirs = proposals_by_level(
            RPNConfig(
                strides=(4, 8, 16, 32, 64),
                anchor_sizes=(32, 64, 128, 256, 512),
                aspect_ratios=(0.5, 1.0, 2.0),
                iou_threshold=0.7,
                proposals=300,
            ),
            *(1000, objectness, deltas, sizes, (200.0, 310.0)),
        )
        assert len(ours) == len(theirs) == 300
        # Pixels; boxes are decoded in float32 here and in double precision there.
        torch.testing.assert_close(ours, torch.tensor(theirs), rtol=0, atol=1e-3)

    @pytest.mark.parametrize(("levels", "kept"), [((3, 4), 2), ((4, 4), 1)])
    def test_equal_boxes_suppress_each_other_within_a_level_only(self, levels, kept):
        # Within a photo of 16 x 16 pixels, every one of these anchors of 256 and 512 pixels is the whole photo. Levels
        # 3 and 4 have one cell each, after 84 cells of the others.
        objectness = torch.full((258,), float("-inf"))
        objectness[3 * 84 + 3 * (levels[0] - 3)] = 2.0
        objectness[3 * 84 + 3 * (levels[1] - 3) + 1] = 1.0
        ours = select(RPNConfig(), objectness, torch.zeros(258, 4), level_sizes(32, 32), (16.0, 16.0))
        assert ours.tolist() == [[0.0, 0.0, 16.0, 16.0]] * kept

    def test_boxes_end_at_the_photo_and_not_at_the_padding(self):
        sizes = level_sizes(128, 128)
        count = 3 * sum(rows * columns for rows, columns in sizes)
        generator = torch.Generator().manual_seed(0)
        objectness, deltas = torch.randn(count, generator=generator), torch.randn(count, 4, generator=generator)
        boxes = select(RPNConfig(pre_nms=count), objectness, deltas, sizes, (40.0, 100.0))
        assert len(boxes) == 300
        assert boxes.amin() >= 0.0
        assert boxes[:, 2].max() == 100.0
        assert boxes[:, 3].max() == 40.0

    def test_boxes_that_clipping_leaves_empty_are_never_valid_however_good(self):
        # A photo of 20 x 128 pixels within 128 x 128: the best anchors, 8 pixels large, lie far below it.
        config = RPNConfig(anchor_sizes=(8, 16, 32, 64, 128), pre_nms=200, proposals=40)
        sizes = level_sizes(128, 128)
        anchors = all_anchors(config, sizes)
        objectness = torch.tensor([10.0 if level == 0 and box[1] > 64.0 else -1.0 for level, box in anchors])
        objectness += torch.rand(len(anchors), generator=torch.Generator().manual_seed(0))
        assert (objectness > 5.0).sum() > config.pre_nms
        assert len(select(config, objectness, torch.zeros(len(anchors), 4), sizes, (20.0, 128.0))) == 0
        boxes = select(config, -objectness, torch.zeros(len(anchors), 4), sizes, (20.0, 128.0))
        assert len(boxes) > 0
        assert ((boxes[:, 2:] - boxes[:, :2]) > 0.0).all()

    def test_an_image_with_fewer_anchors_than_proposals_fills_the_rest(self):
        sizes = level_sizes(32, 32)  # 3 x 86 anchors
        boxes = select(RPNConfig(), torch.arange(258.0), torch.zeros(258, 4), sizes, (32.0, 32.0))
        assert 0 < len(boxes) < 258
