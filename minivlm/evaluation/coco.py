"""COCO's detection metrics, computed by pycocotools, the reference implementation."""

import contextlib
import io
from collections.abc import Sequence
from typing import Any

import numpy as np

from minivlm.errors import UserError
from minivlm.evaluation.detection import Found, Truth

SIZES = ("small", "medium", "large")
NAMES = (
    "AP",
    "AP50",
    "AP75",
    *(f"AP {size}" for size in SIZES),
    "AR1",
    "AR10",
    "AR100",
    *(f"AR {size}" for size in SIZES),
)
"""What `COCOeval.summarize` gives, in its order."""

MISSING = "COCO mAP needs pycocotools, which is not installed: pip install 'minivlm-edge[evaluate]'"


def coco_metrics(truths: Sequence[Truth], found: Sequence[Found]) -> dict[str, float]:
    """Return COCO's twelve numbers, 0 to 1, by their names; those of sizes that no box has are left out.

    Args:
        truths: Picture by picture.
        found: Of the same pictures.

    Raises:
        UserError: pycocotools is not installed.
    """
    try:
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval
    except ImportError:
        raise UserError(MISSING) from None
    if not any(len(truth.labels) for truth in truths):
        return {}
    with contextlib.redirect_stdout(io.StringIO()):  # it tells of its progress on stdout
        data = COCO()
        data.dataset = _dataset(truths)
        data.createIndex()
        results = COCO()
        results.dataset = {**data.dataset, "annotations": _results(found)}
        results.createIndex()
        evaluation = COCOeval(data, results, "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return {name: float(value) for name, value in zip(NAMES, evaluation.stats, strict=True) if value >= 0.0}


def _dataset(truths: Sequence[Truth]) -> dict[str, Any]:
    classes = sorted({label for truth in truths for label in truth.labels.tolist()})
    rows = [
        (picture, label, corners, crowd)
        for picture, truth in enumerate(truths)
        for label, corners, crowd in zip(truth.labels.tolist(), truth.corners, truth.crowd.tolist(), strict=True)
    ]
    annotations = [
        {"id": number, "image_id": picture, "category_id": label, "iscrowd": int(crowd), **_box(corners)}
        for number, (picture, label, corners, crowd) in enumerate(rows, start=1)  # an id of 0 would never match
    ]
    return {
        "info": {},
        "images": [{"id": picture} for picture in range(len(truths))],
        "categories": [{"id": label} for label in classes],
        "annotations": annotations,
    }


def _results(found: Sequence[Found]) -> list[dict[str, Any]]:
    rows = [
        (picture, label, corners, score)
        for picture, said in enumerate(found)
        for label, corners, score in zip(said.labels.tolist(), said.corners, said.scores.tolist(), strict=True)
    ]
    return [
        {"id": number, "image_id": picture, "category_id": label, "score": score, "iscrowd": 0, **_box(corners)}
        for number, (picture, label, corners, score) in enumerate(rows, start=1)
    ]


def _box(corners: np.ndarray[Any, np.dtype[np.float64]]) -> dict[str, Any]:
    x1, y1, x2, y2 = corners.tolist()
    return {"bbox": [x1, y1, x2 - x1, y2 - y1], "area": (x2 - x1) * (y2 - y1)}
