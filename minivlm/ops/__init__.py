"""Box, non-maximum-suppression and RoI operators in plain static-shape PyTorch, exportable to every runtime."""

from minivlm.ops.boxes import BoxCoder, box_iou, clip_boxes, match, nonempty, pairwise_iou
from minivlm.ops.nms import NMS, nms, nms_each, scanned, unrolled
from minivlm.ops.roi_align import roi_align, roi_align_each
from minivlm.ops.roi_pool import roi_pool

__all__ = [
    "NMS",
    "BoxCoder",
    "box_iou",
    "clip_boxes",
    "match",
    "nms",
    "nms_each",
    "nonempty",
    "pairwise_iou",
    "roi_align",
    "roi_align_each",
    "roi_pool",
    "scanned",
    "unrolled",
]
