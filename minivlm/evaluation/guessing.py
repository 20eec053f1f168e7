"""What a detector could score that never looks: every picture gets the usual boxes of the data learnt from.

A box for each class: the mean of its boxes' corners, as shares of their pictures' width and height, so that it fits any
picture. It is scored by the share of pictures that show the class, and the most frequent classes come first, as many as
the pipeline gives regions.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from minivlm.datasets.boxes import BoxData, BoxExample
from minivlm.errors import UserError
from minivlm.evaluation.sight import Sight
from minivlm.images.photos import load_photo
from minivlm.inference.photo_regions import PhotoRegions
from minivlm.inference.pipeline import Pipeline
from minivlm.storage.files import sha256
from minivlm.vision.regions import GEOMETRY

MOST = 50
"""Regions of a picture, as the paper's models have."""


@dataclass(frozen=True, kw_only=True)
class UsualBoxes:
    """What is guessed of every picture.

    Attributes:
        corners: (N, 4) float32 xyxy as shares of width and height.
        scores: (N,) float32, falling: the share of pictures that show the class.
        tags: (N,) int64, of the model.
        feature_dim: Numbers of a region's feature; all are 0.
    """

    corners: Tensor
    scores: Tensor
    tags: Tensor
    feature_dim: int

    def look(self, picture: Path) -> PhotoRegions:
        """Return the guess as regions; of the picture nothing but its size is looked at."""
        width, height = load_photo(picture).size
        return PhotoRegions(
            photo_size=(height, width),
            boxes=self.corners * torch.tensor([width, height, width, height]),
            scores=self.scores,
            tags=self.tags,
            features=torch.zeros(len(self.tags), self.feature_dim),
            geometry=torch.zeros(len(self.tags), GEOMETRY),
        )


def usual_boxes(data: BoxData, tags: Sequence[str], feature_dim: int) -> UsualBoxes:
    """Learn what is usual.

    Args:
        data: Learnt from; pictures whose size it does not say are left out, and crowds.
        tags: Of the model; other classes are left out. Names are compared without regard to case.
        feature_dim: See `UsualBoxes`.

    Raises:
        UserError: There is no box of a class that the model has a tag for.
    """
    ids = {name.casefold(): number for number, name in enumerate(tags)}
    boxes: dict[int, list[Tensor]] = {}
    pictures: Counter[int] = Counter()
    sized = [example for example in data.examples if example.size is not None]
    for example in sized:
        height, width = example.size or (1, 1)
        shown = [(ids.get(data.classes[box.label].casefold()), box.corners) for box in example.boxes if not box.crowd]
        for tag, corners in shown:
            if tag is not None:
                boxes.setdefault(tag, []).append(torch.tensor(corners) / torch.tensor([width, height, width, height]))
        pictures.update({tag for tag, _ in shown if tag is not None})
    if not boxes:
        raise UserError(f"{data.report.source} has no box of a class that the model knows: guess from other data")
    usual = sorted(pictures, key=lambda tag: (-pictures[tag], tag))[:MOST]
    return UsualBoxes(
        corners=torch.stack([torch.stack(boxes[tag]).mean(dim=0) for tag in usual]),
        scores=torch.tensor([pictures[tag] / len(sized) for tag in usual]),
        tags=torch.tensor(usual),
        feature_dim=feature_dim,
    )


def usual_attributes(data: BoxData, asked: Sequence[BoxExample], classes: Sequence[str]) -> list[float]:
    """Return for each box with attributes whether the most frequent one of its class is among them: 1 or 0.

    What a model would score that knows what everything is called and sees nothing of it.

    Args:
        data: Learnt from.
        asked: Pictures whose boxes count; crowds do not.
        classes: Names of the classes of these boxes, compared without regard to case.
    """
    counts: dict[str, Counter[str]] = {}
    for box in (box for example in data.examples for box in example.boxes if not box.crowd):
        counts.setdefault(data.classes[box.label].casefold(), Counter()).update(box.attributes)
    usual = {name: found.most_common(1)[0][0] for name, found in counts.items() if found}
    boxes = [box for example in asked for box in example.boxes if box.attributes and not box.crowd]
    return [float(usual.get(classes[box.label].casefold()) in box.attributes) for box in boxes]


def guessing(pipeline: Pipeline, data: BoxData) -> Sight:
    """Return the sight of who never looks, and guesses by what is usual in some data; see `usual_boxes`."""
    backend = pipeline.backend
    usual = usual_boxes(data, backend.tags, backend.vision.feature_dim)
    return Sight(name=f"guesses from boxes {sha256(data.report.source)[:12]}", look=usual.look)
