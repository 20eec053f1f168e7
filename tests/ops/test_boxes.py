"""Box arithmetic against hand-computed values."""

import math

import pytest
import torch

from minivlm.ops import BoxCoder, clip_boxes, pairwise_iou
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
