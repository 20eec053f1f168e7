"""Box arithmetic against hand-computed values."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch import Tensor

from minivlm.ops import BoxCoder, box_iou, clip_boxes, match, pairwise_iou
from minivlm.ops.boxes import MAX_SIZE_DELTA


def test_zero_deltas_give_the_anchor_back_in_both_pixel_conventions():
    anchors = torch.tensor([[10.0, 20.0, 50.0, 30.0], [0.0, 0.0, 15.0, 15.0]])
    for offset in (0.0, 1.0):
        torch.testing.assert_close(BoxCoder(pixel_offset=offset).decode(torch.zeros(2, 4), anchors), anchors)


def test_deltas_move_by_the_size_and_scale_by_the_exponential():
    # A 40 x 10 anchor centred at (30, 25): dx .1 moves by 4, dy -.2 by -2; dw ln 2 doubles, dh ln .5 halves.
    deltas = torch.tensor([[1.0, -2.0, 5 * math.log(2.0), 5 * math.log(0.5)]])
    box = BoxCoder(weights=(10.0, 10.0, 5.0, 5.0)).decode(deltas, torch.tensor([[10.0, 20.0, 50.0, 30.0]]))
    torch.testing.assert_close(box, torch.tensor([[34.0 - 40.0, 23.0 - 2.5, 34.0 + 40.0, 23.0 + 2.5]]))


def test_inclusive_pixels_count_the_last_one():
    # 16 pixels from 0 to 15; a quarter to the right of a 16 wide box is 4 pixels.
    box = BoxCoder(pixel_offset=1.0).decode(torch.tensor([[0.25, 0.0, 0.0, 0.0]]), torch.tensor([[0.0, 0, 15, 15]]))
    torch.testing.assert_close(box, torch.tensor([[4.0, 0.0, 19.0, 15.0]]))


def test_growth_is_bounded():
    box = BoxCoder().decode(torch.tensor([[0.0, 0.0, 100.0, 0.0]]), torch.tensor([[0.0, 0.0, 16.0, 16.0]]))
    assert (box[0, 2] - box[0, 0]).item() == pytest.approx(16.0 * math.exp(MAX_SIZE_DELTA), rel=1e-6)


@pytest.mark.parametrize(("offset", "right", "bottom"), [(0.0, 60.0, 40.0), (1.0, 59.0, 39.0)])
def test_boxes_are_clipped_to_height_and_width(offset, right, bottom):
    boxes = torch.tensor([[-5.0, -5.0, 100.0, 100.0], [1.0, 2.0, 3.0, 4.0]])
    clipped = clip_boxes(boxes, torch.tensor([40.0, 60.0]), pixel_offset=offset)
    torch.testing.assert_close(clipped, torch.tensor([[0.0, 0.0, right, bottom], [1.0, 2.0, 3.0, 4.0]]))


def test_iou_of_equal_half_shifted_disjoint_and_empty_boxes():
    boxes = torch.tensor([[0.0, 0, 4, 4], [2.0, 0, 6, 4], [9.0, 9, 10, 10], [1.0, 1, 1, 1]])
    iou = pairwise_iou(boxes)
    torch.testing.assert_close(iou[0, :3], torch.tensor([1.0, 8 / 24, 0.0]))
    assert iou[0, 3] == 0.0
    assert iou[3, 3] == 0.0
    torch.testing.assert_close(iou, iou.T)


def boxes_of(corners: Tensor, sizes: Tensor) -> Tensor:
    return torch.cat([corners, corners + sizes], dim=1)


def encode_by_hand(box: list[float], anchor: list[float], weights: tuple[float, ...], offset: float) -> list[float]:
    """Girshick et al. (2014), appendix C, with Fast R-CNN's weights and Caffe's pixels."""
    (x1, y1, x2, y2), (a1, b1, a2, b2) = box, anchor
    width, height = x2 - x1 + offset, y2 - y1 + offset
    anchor_width, anchor_height = a2 - a1 + offset, b2 - b1 + offset
    deltas = [
        ((x1 + width / 2) - (a1 + anchor_width / 2)) / anchor_width,
        ((y1 + height / 2) - (b1 + anchor_height / 2)) / anchor_height,
        math.log(width / anchor_width),
        math.log(height / anchor_height),
    ]
    return [delta * weight for delta, weight in zip(deltas, weights, strict=True)]


corners = hnp.arrays("float32", (6, 2), elements=st.floats(-50, 1300, width=32))
sizes = hnp.arrays("float32", (6, 2), elements=st.floats(16, 900, width=32))  # at most 62.5 times another
coders = st.sampled_from(
    [BoxCoder(weights, offset) for weights in [(1.0,) * 4, (10.0, 10.0, 5.0, 5.0)] for offset in (0.0, 1.0)]
)


class TestEncode:
    def test_of_a_box_by_hand(self):
        # 20 x 40 at (10, 30) and 80 x 10 at (30, 25): a quarter of a width to the left, half a height down.
        deltas = BoxCoder(weights=(10.0, 10.0, 5.0, 5.0)).encode(
            torch.tensor([[0.0, 10.0, 20.0, 50.0]]), torch.tensor([[-10.0, 20.0, 70.0, 30.0]])
        )
        expected = torch.tensor([[10 * -0.25, 10 * 0.5, 5 * math.log(20 / 80), 5 * math.log(40 / 10)]])
        torch.testing.assert_close(deltas, expected)

    @given(corners=corners, sizes=sizes, anchor_corners=corners, anchor_sizes=sizes, coder=coders)
    @settings(max_examples=200, deadline=None)
    def test_equals_the_formula_and_decodes_to_the_box_again(self, corners, sizes, anchor_corners, anchor_sizes, coder):
        boxes = boxes_of(torch.from_numpy(corners), torch.from_numpy(sizes))
        anchors = boxes_of(torch.from_numpy(anchor_corners), torch.from_numpy(anchor_sizes))
        deltas = coder.encode(boxes, anchors)
        rows = zip(boxes.tolist(), anchors.tolist(), strict=True)
        by_hand = torch.tensor([encode_by_hand(*row, coder.weights, coder.pixel_offset) for row in rows])
        # float32 centres of up to 2000 pixels over anchors of at least 16: 1e-4 / 16, times the weight of 10.
        torch.testing.assert_close(deltas, by_hand, rtol=1e-5, atol=2e-4)
        torch.testing.assert_close(coder.decode(deltas, anchors), boxes, rtol=0, atol=5e-3)  # pixels

    def test_the_heads_of_one_model_share_nothing_but_the_formula(self):
        # With inclusive pixels a box of one pixel has a width of 1, so it can be encoded.
        one_pixel = torch.tensor([[5.0, 5.0, 5.0, 5.0]])
        assert BoxCoder(pixel_offset=1.0).encode(one_pixel, one_pixel).tolist() == [[0.0, 0.0, 0.0, 0.0]]


def iou_by_hand(a: list[float], b: list[float]) -> float:
    shared = max(min(a[2], b[2]) - max(a[0], b[0]), 0.0) * max(min(a[3], b[3]) - max(a[1], b[1]), 0.0)
    area_a, area_b = ((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b))
    return shared / (area_a + area_b - shared) if shared else 0.0


# Quarter pixels, so that all areas are exact; some boxes are empty.
grid = st.integers(0, 80).map(lambda value: value / 4)
box_sets = hnp.arrays("float32", st.tuples(st.integers(0, 6), st.just(2)), elements=grid)


class TestIoUOfTwoSets:
    @given(first=box_sets, second=box_sets, seed=st.integers(0, 2**16))
    @settings(max_examples=150, deadline=None)
    def test_is_that_of_every_pair(self, first, second, seed):
        generator = torch.Generator().manual_seed(seed)

        def grown(start: Tensor) -> Tensor:
            return boxes_of(start, torch.randint(0, 40, start.shape, generator=generator) / 4)

        one, other = grown(torch.from_numpy(first)), grown(torch.from_numpy(second))
        expected = [[iou_by_hand(a, b) for b in other.tolist()] for a in one.tolist()]
        iou = box_iou(one, other)
        assert iou.shape == (len(one), len(other))
        torch.testing.assert_close(iou, torch.tensor(expected).reshape(iou.shape), rtol=0, atol=1e-6)  # one division

    def test_of_a_batch_is_that_of_each_picture(self):
        generator = torch.Generator().manual_seed(0)
        first, second = (
            boxes_of(50 * torch.rand(n, 2, generator=generator), 1 + 30 * torch.rand(n, 2, generator=generator))
            for n in (12, 15)
        )
        batch = box_iou(first.unflatten(0, (3, 4)), second.unflatten(0, (3, 5)))
        assert batch.shape == (3, 4, 5)
        for index in range(3):
            rows, columns = first[4 * index : 4 * index + 4], second[5 * index : 5 * index + 5]
            assert torch.equal(batch[index], box_iou(rows, columns))

    def test_with_itself_is_the_one_that_artifacts_use(self):
        boxes = torch.tensor([[0.0, 0, 4, 4], [2.0, 0, 6, 4], [9.0, 9, 10, 10], [1.0, 1, 1, 1], [3.0, 3, 1, 1]])
        assert torch.equal(box_iou(boxes, boxes), pairwise_iou(boxes))


class TestMatch:
    def test_the_best_overlap_goes_first_and_takes_both_rows(self):
        """By hand: (1, 0) is the largest, which leaves (0, 1); (0, 0) would have been row 0's own best."""
        overlap = torch.tensor([[0.8, 0.6], [0.9, 0.7]])
        assert match(overlap, 0.5) == [(1, 0), (0, 1)]
        assert match(overlap, 0.65) == [(1, 0)]

    def test_no_rows_on_a_side_have_no_pairs(self):
        assert match(torch.zeros(0, 3), 0.5) == match(torch.zeros(3, 0), 0.5) == []

    @given(st.integers(0, 8), st.integers(0, 8), st.integers(0, 2**31))
    def test_pairs_are_apart_and_nothing_that_could_pair_is_left(self, rows, columns, seed):
        overlap = torch.rand(rows, columns, generator=torch.Generator().manual_seed(seed))
        before = overlap.clone()
        pairs = match(overlap, 0.5)
        assert torch.equal(overlap, before), "the caller's tensor stays as it is"
        firsts, seconds = {row for row, _ in pairs}, {column for _, column in pairs}
        assert len(firsts) == len(seconds) == len(pairs)
        assert [overlap[pair] for pair in pairs] == sorted((overlap[pair] for pair in pairs), reverse=True)
        for row in set(range(rows)) - firsts:
            assert all(overlap[row, column] < 0.5 for column in set(range(columns)) - seconds)
