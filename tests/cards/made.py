"""A checkpoint, its training, its data and its scores, as the commands leave them behind."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from minivlm.weights.making import make_random
from tests.datasets.made import write, write_lines
from tests.tiny import NAME

DRAWINGS = [
    {
        "style": "round",
        "artist": "Ann",
        "package": "made-up-round",
        "version": "1.0.0",
        "licence": "MIT",
        "source": "https://example.org/round",
        "held_out": False,
    }
]
RUN: dict[str, Any] = {
    "format": 1,
    "stage": "tee-tiny",
    "steps": 300,
    "batch": 8,
    "seed": 5,
    "backbone": "efficientnet-lite0",
    "recipe": {
        "name": "scenes",
        "sides": [{"until": 0.5, "sides": [192, 256]}, {"until": 1.0, "sides": [512]}],
        "optimization": {
            "optimizer": {"betas": [0.9, 0.99]},
            "learning_rate": 0.001,
            "decay": "cosine",
            "final": 0.02,
            "weight_decay": 0.0001,
            "mixed": True,
        },
    },
}


def checkpoint(folder: Path) -> Path:
    make_random(folder, NAME)
    return folder


def training(folder: Path, **changed: Any) -> Path:
    """Write a run of 300 steps and 3,900 seconds, whose last three losses are 1, 2 and 3."""
    folder.mkdir()
    write(folder / "run.json", {**RUN, **changed})
    losses = [9.0] * 297 + [1.0, 2.0, 3.0]
    lines = [{"step": n, "losses": {"total": loss}, "seconds": 13.0 * n} for n, loss in enumerate(losses, start=1)]
    write_lines(folder / "log.jsonl", lines)
    return folder


def scenes(folder: Path, split: str, count: int = 4, drawings: Sequence[dict[str, Any]] = DRAWINGS) -> Path:
    """Write about.json and boxes.json: in each picture one red cat, as scenes describe it."""
    folder.mkdir()
    about = {"split": split, "count": count, "size": 256, "seed": 0, "drawings": drawings, "backgrounds": "plain"}
    write(folder / "about.json", about)
    numbers = range(1, count + 1)
    cat = {"category_id": 1, "bbox": [10, 10, 50, 50], "area": 2500, "iscrowd": 0, "attributes": ["red", "medium"]}
    more = {"hints": ["red"], "visible": 1.0, "style": "round"}
    content = {
        "images": [{"id": n, "file_name": f"{n}.jpg", "width": 256, "height": 256} for n in numbers],
        "categories": [{"id": 1, "name": "cat", "supercategory": "animal"}],
        "annotations": [{"id": n, "image_id": n, **cat, **more} for n in numbers],
    }
    write(folder / "boxes.json", content)
    return folder


def scores(folder: Path, sha256: str, right: int = 3, of: int = 4) -> Path:
    """Write verdicts, of which so many are right, and captions, of which the first is true."""
    folder.mkdir()
    weights = {"description": "made up", "random": False, "sha256": sha256, "seed": None}
    records = [{"id": str(n), "label": True, "true": n < right, "group": "g"} for n in range(of)]
    _write_task(folder, "nlvr2", weights, {"accuracy": right / of, "consistency": 0.0}, records)
    said = ["there is a cat", "there is a dog", "cat cat cat", "there are two cats"]
    told = [{"id": str(n), "caption": text, "references": ["there is a cat"]} for n, text in enumerate(said, start=1)]
    _write_task(folder, "caption", weights, {"CIDEr": 1.0, "BLEU-4": 0.25}, told)
    return folder


def _write_task(
    folder: Path, task: str, weights: dict[str, Any], values: dict[str, float], records: list[dict[str, Any]]
) -> None:
    score = {"command": f"evaluate {task}", "weights": weights, "task": task, "values": values}
    write(folder / f"{task}.json", {**score, "examples": len(records)})
    write_lines(folder / f"{task}.jsonl", [{"format": 1, "task": task, "weights": weights}, *records])


def change(path: Path, **changed: Any) -> None:
    """Change keys of a JSON object."""
    write(path, {**json.loads(path.read_text()), **changed})
