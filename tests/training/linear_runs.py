"""Trainings of the linear layer, and what their folders tell of them."""

import json
from pathlib import Path
from typing import Any

from minivlm.training.trainer import TrainOptions, train
from tests.training.linear import LinearStage


def run(stage: LinearStage, folder: Path, about: dict[str, Any] | None = None, **options: Any) -> int:
    return train(stage, TrainOptions(folder=folder, device="cpu", **options), about or {"data": "numbers"})


def log_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
