"""Made-up data in each format, with pictures of coloured blocks."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from minivlm.datasets.report import Report
from tests.tiny import save_photo


def write(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def write_lines(path: Path, entries: Sequence[Any]) -> Path:
    path.write_text("".join(f"{json.dumps(entry)}\n" for entry in entries), encoding="utf-8")
    return path


def pictures(folder: Path, *names: str) -> Path:
    for seed, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        save_photo(folder / name, (80, 60), seed=seed)
    return folder


def found(report: Report) -> Mapping[str, tuple[int, bool]]:
    """Return what -> count and whether it was left out."""
    return {finding.what: (finding.count, finding.left_out) for finding in report.findings}


def box_data(**changed: Any) -> dict[str, Any]:
    """Return detection JSON of two pictures; keywords replace its lists."""
    content: dict[str, Any] = {
        "images": [
            {"id": 1, "file_name": "a.png", "width": 80, "height": 60},
            {"id": 2, "file_name": "b.png", "width": 80, "height": 60},
        ],
        "categories": [{"id": 7, "name": "cat"}, {"id": 3, "name": "dog"}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 7, "bbox": [10, 5, 20, 30]},
            {"id": 2, "image_id": 1, "category_id": 3, "bbox": [40, 5, 20, 30], "iscrowd": 1},
            {"id": 3, "image_id": 2, "category_id": 3, "bbox": [0, 0, 80, 60]},
        ],
    }
    return {**content, **changed}
