"""Trains tee-tiny on composed noise, as a process that tests may kill: python tiny_run.py FOLDER STEPS [--resume]."""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from minivlm.errors import run_command
from minivlm.models.registry import build
from minivlm.training.detection import Batch
from minivlm.training.detector_stage import DetectorStage
from minivlm.training.matching import Truth, side_by_side
from minivlm.training.recipes import SMALL_WORLD, DetectorRecipe
from minivlm.training.trainer import TrainOptions, train
from minivlm.vision.tee import TEE
from minivlm.vision.tee_config import TEE_TINY
from minivlm.weights.labels import DetectorLabels

SIDE = 128
LABELS = DetectorLabels(
    tags=tuple(f"thing {number}" for number in range(TEE_TINY.classes - 1)),
    attributes=tuple(f"look {number}" for number in range(TEE_TINY.attributes - 1)),
)


@dataclass(frozen=True)
class Squares:
    """Pictures of noise with one square each, whose place chance decides."""

    count: int
    seconds: float = 0.0

    def __len__(self) -> int:
        return self.count

    def example(self, index: int, generator: torch.Generator, progress: float) -> Any:
        time.sleep(self.seconds)
        image = 0.1 * torch.randn(3, SIDE, SIDE, generator=generator)
        left, top = (int(torch.randint(0, SIDE - 40, (), generator=generator)) for _ in range(2))
        image[index % 3, top : top + 40, left : left + 40] += 1.0
        attributes = torch.zeros(1, TEE_TINY.attributes, dtype=torch.bool)
        attributes[0, 1 + index % 3] = True
        truth = Truth(
            boxes=torch.tensor([[left, top, left + 40, top + 40]], dtype=torch.float32),
            classes=torch.tensor([1 + index % 3]),
            attributes=attributes,
            crowds=torch.zeros(0, 4),
        )
        return image, truth

    def collate(self, examples: Sequence[Any]) -> Batch:
        return Batch(
            images=torch.stack([image for image, _ in examples]),
            extents=torch.full((len(examples), 2), float(SIDE)),
            truths=side_by_side([truth for _, truth in examples]),
        )


def tiny_recipe(**numbers: Any) -> DetectorRecipe:
    how = replace(SMALL_WORLD.optimization, **{"warmup": 3, "batch": 4, **numbers})
    return replace(SMALL_WORLD, rpn=TEE_TINY.rpn, optimization=how)


def tiny_stage(recipe: DetectorRecipe, examples: Any) -> DetectorStage:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = build(TEE_TINY)
    assert isinstance(model, TEE)
    model.initialize(torch.Generator().manual_seed(0))
    return DetectorStage(
        name="tee-tiny", model=model, recipe=recipe, examples=examples, labels=LABELS, origin="trained in a test"
    )


def main() -> None:
    torch.set_num_threads(1)
    options = TrainOptions(
        folder=Path(sys.argv[1]),
        steps=int(sys.argv[2]),
        workers=1,
        save_every_minutes=0.0,
        resume="--resume" in sys.argv,
        device="cpu",
    )
    stage = tiny_stage(tiny_recipe(ema=0.9), Squares(10))
    train(stage, options, {"model": "tee-tiny"})


if __name__ == "__main__":
    run_command(main)
