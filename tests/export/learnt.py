"""A tiny detector that has learnt a few pictures by heart, and these pictures as data to score it on."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from minivlm.images.photos import load_photo
from minivlm.images.preprocess import letterbox
from minivlm.training.detection import Batch
from minivlm.training.matching import Truth
from minivlm.training.trainer import TrainOptions, train
from minivlm.vision.tee_config import TEE_TINY
from tests.datasets.made import write
from tests.training.made import truth_of
from tests.training.tiny_run import LABELS, SIDE, Squares, tiny_recipe, tiny_stage

PICTURES = 4
STEPS = 100
COLOURS = ((230, 40, 40), (40, 230, 40), (40, 40, 230), (230, 230, 40))
CORNERS = ((4, 4), (70, 4), (4, 70), (70, 70))


@dataclass(frozen=True)
class Learnt:
    """A checkpoint, and the data that it knows by heart."""

    checkpoint: Path
    data: Path

    @property
    def images(self) -> Path:
        return self.data / "images"


@dataclass(frozen=True)
class Shown:
    """Pictures with what is in them."""

    images: Sequence[torch.Tensor]
    truths: Sequence[Truth]

    def __len__(self) -> int:
        return len(self.images)

    def example(self, index: int, generator: torch.Generator, progress: float) -> Any:
        return self.images[index], self.truths[index]

    def collate(self, examples: Any) -> Batch:
        return Squares(0).collate(examples)


def squares_of(picture: int) -> list[tuple[int, list[int]]]:
    """Return (kind, corners) of the two squares in a picture: kinds and places take turns, each pair in another way."""
    kinds = picture % 4, (picture + 1 + picture // 4) % 4
    places = picture % 4, (picture + 2 - picture // 4) % 4
    sizes = 40 + 2 * picture, 54 - 2 * picture
    return [
        (kind, [x, y, x + size, y + size])
        for kind, (x, y), size in zip(kinds, (CORNERS[place] for place in places), sizes, strict=True)
    ]


def learn_by_heart(folder: Path) -> Learnt:
    """Draw coloured squares on noise, and train tee-tiny until it names and finds them."""
    images = folder / "data/images"
    images.mkdir(parents=True)
    generator = np.random.default_rng(0)
    annotations, shown, truths = [], [], []
    for picture in range(PICTURES):
        pixels = generator.integers(90, 150, (SIDE, SIDE, 3), dtype=np.uint8)
        for kind, (x1, y1, x2, y2) in squares_of(picture):
            pixels[y1:y2, x1:x2] = COLOURS[kind]
            box = {"bbox": [x1, y1, x2 - x1, y2 - y1], "category_id": kind + 1}
            annotations.append({"id": len(annotations) + 1, "image_id": picture, **box})
        path = images / f"{picture}.png"
        Image.fromarray(pixels).save(path)
        shown.append(letterbox(load_photo(path), (SIDE, SIDE), TEE_TINY.pixels).image[0])
        squares = squares_of(picture)
        boxes = torch.tensor([corners for _, corners in squares], dtype=torch.float32)
        truths.append(truth_of(boxes, [kind + 1 for kind, _ in squares], [[kind + 1] for kind, _ in squares]))
    write(
        folder / "data/boxes.json",
        {
            "images": [
                {"id": number, "file_name": f"{number}.png", "width": SIDE, "height": SIDE}
                for number in range(PICTURES)
            ],
            "categories": [{"id": number + 1, "name": LABELS.tags[number]} for number in range(len(COLOURS))],
            "annotations": annotations,
        },
    )
    # So few weights, from nothing and in so few steps, take a rate far above the recipe's.
    recipe = replace(tiny_recipe(learning_rate=0.04, warmup=5, mixed=False), frozen=(), pretrained_rate=1.0)
    options = TrainOptions(folder=folder / "run", steps=STEPS, device="cpu")
    stage = tiny_stage(recipe, Shown(shown, truths))
    for part in stage.model.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.momentum = 0.2  # statistics of the last few steps: of the first ones little is left in so short a time
    train(stage, options, {})
    return Learnt(checkpoint=folder / "run", data=folder / "data")
