"""Anchors against the values that py-faster-rcnn publishes."""

import torch

from minivlm.vision.caffe_anchors import base_anchors, grid_anchors


def test_are_the_published_ones():
    # py-faster-rcnn `lib/rpn/generate_anchors.py`: ratios .5, 1, 2 and scales 8, 16, 32 on a base of 16 pixels.
    published = [
        [-84, -40, 99, 55],
        [-176, -88, 191, 103],
        [-360, -184, 375, 199],
        [-56, -56, 71, 71],
        [-120, -120, 135, 135],
        [-248, -248, 263, 263],
        [-36, -80, 51, 95],
        [-80, -168, 95, 183],
        [-168, -344, 183, 359],
    ]
    assert base_anchors(16, (0.5, 1.0, 2.0), (8, 16, 32)).tolist() == published


def test_scale_4_of_bottom_up_attention():
    # By the same arithmetic: 23 x 12, 16 x 16 and 11 x 22 pixels four times as large around pixel 7.5.
    assert base_anchors(16, (0.5, 1.0, 2.0), (4,)).tolist() == [
        [-38, -16, 53, 31],
        [-24, -24, 39, 39],
        [-14, -36, 29, 51],
    ]


def test_lie_on_the_grid_by_row_column_and_anchor():
    base = torch.tensor([[0.0, 0.0, 15.0, 15.0], [-8.0, -8.0, 23.0, 23.0]])
    anchors = grid_anchors(base, height=2, width=3, stride=16).reshape(2, 3, 2, 4)
    assert anchors[0, 0].tolist() == base.tolist()
    assert anchors[1, 2, 0].tolist() == [32.0, 16.0, 47.0, 31.0]
    assert anchors[0, 1, 1].tolist() == [8.0, -8.0, 39.0, 23.0]
