"""What only a detector in this process shows: the boxes of its first stage, and every name that a box may have."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from minivlm.errors import UserError
from minivlm.evaluation.detection import Found
from minivlm.inference.backend import TorchBackend
from minivlm.inference.detector import Detector, TorchDetector
from minivlm.ops import nms

LEAST_SCORE = 0.05
"""Of a name, which a box must exceed to be listed under it: maskrcnn-benchmark's `ROI_HEADS.SCORE_THRESH`."""
MOST_NAMED = 100
"""Boxes with names of a picture, the best over all classes: its `ROI_HEADS.DETECTIONS_PER_IMG`."""


def require_whole(backend: Detector, flag: str) -> Any:
    """Return a detector, a module with all its stages: no type says so, as each has its own signature.

    Args:
        backend: A whole model, or a detector alone.
        flag: That asks for it.

    Raises:
        UserError: The backend runs an artifact, which gives regions only, or its detector has no such stages.
    """
    vision: Any = None
    if isinstance(backend, TorchDetector):
        vision = backend.module
    elif isinstance(backend, TorchBackend):
        vision = backend.module.vision
    if vision is None or not hasattr(vision, "propose"):
        raise UserError(f"{flag} needs a detector in PyTorch that proposes boxes: leave it out, or --artifact")
    return vision


@torch.no_grad()
def proposal_corners(backend: Detector, photo: Image.Image) -> NDArray[np.float64]:
    """Return (P, 4) proposals in xyxy pixels of a photo.

    Raises:
        UserError: See `require_whole`.
    """
    vision = require_whole(backend, "--proposals")
    fitted = backend.fit(photo)
    proposed = vision.propose(vision.backbone(fitted.image), fitted.extent)
    boxes: Tensor = proposed if isinstance(proposed, Tensor) else proposed[0][proposed[1]]
    corners: NDArray[np.float64] = fitted.to_photo(boxes.float()).double().numpy()
    return corners


@torch.no_grad()
def all_names(backend: Detector, photo: Image.Image) -> Found:
    """Return what papers score of a detector: boxes under every name that they may have, not only the likeliest.

    Of each class those above `LEAST_SCORE` after the class's own NMS, at the threshold of the detector's config; of all
    classes the best `MOST_NAMED` (maskrcnn-benchmark, modeling/roi_heads/box_head/inference.py).

    Args:
        backend: Of a detector in PyTorch.
        photo: RGB.

    Returns:
        Boxes in pixels of the photo, by falling score; a label is the place of a tag.

    Raises:
        UserError: See `require_whole`.
    """
    vision = require_whole(backend, "--all-names")
    fitted = backend.fit(photo)
    boxes, probabilities = vision.classify(fitted.image, fitted.extent)
    rows, labels = (probabilities > LEAST_SCORE).nonzero().unbind(1)
    boxes, scores = boxes[rows, labels].double(), probabilities[rows, labels]
    kept = rows[:0]
    if len(rows):
        # Classes side by side: boxes of two never overlap, so that one NMS is that of each class.
        apart = labels[:, None] * (1.0 + max(fitted.image.shape[2:]))
        places, valid = nms(boxes + apart, scores, vision.config.iou_threshold, MOST_NAMED)
        kept = places[valid]
    return Found(
        corners=fitted.to_photo(boxes[kept].float()).double().numpy(),
        labels=labels[kept].numpy(),
        scores=scores[kept].double().numpy(),
    )
