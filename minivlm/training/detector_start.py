"""What a detector's training begins with: its data, its classes, its weights."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from minivlm.datasets.boxes import BoxData, read_boxes
from minivlm.datasets.folder import DataFiles, find_data
from minivlm.datasets.pictures import PictureFolder
from minivlm.datasets.report import Report
from minivlm.errors import UserError
from minivlm.models.registry import get_config, parts_of
from minivlm.models.sizes import sizes_of, with_sizes
from minivlm.storage.files import exists, sha256
from minivlm.training.order import Chance, seed_of
from minivlm.vision.tee import TEE
from minivlm.vision.tee_config import TEEConfig
from minivlm.weights import checkpoint as checkpoints
from minivlm.weights.labels import ATTRIBUTES, TAGS, DetectorLabels, read_detector_labels
from minivlm.weights.lite import load_start
from minivlm.weights.loading import draw_detector, load_model

DEFAULT_MODEL = "tee-sample"
NO_ATTRIBUTE = "no attribute"
"""The first of a detector's attribute classes, which data does not list."""


@dataclass(frozen=True, kw_only=True)
class BoxesToLearn:
    """Annotated pictures.

    Attributes:
        boxes: What was read.
        labels: The classes and attributes of a detector for them.
        sha256: Of the file.
        reports: What there is and what was left out.
    """

    boxes: BoxData
    labels: DetectorLabels
    sha256: str
    reports: tuple[Report, ...]


@dataclass(frozen=True, kw_only=True)
class Start:
    """A detector that may be trained.

    Attributes:
        name: Of the model in the registry.
        model: With weights.
        origin: Where these come from, for people.
        about: The same for a run that goes on.
    """

    name: str
    model: TEE
    origin: str
    about: dict[str, Any]


def read_boxes_to_learn(folder: Path) -> BoxesToLearn:
    """Read a folder's boxes; its categories and attributes become the detector's.

    Raises:
        UserError: There are none, or none that can be used.
    """
    files, _ = find_data(folder, DataFiles())
    if files.boxes is None or files.images is None:
        raise UserError(
            f"{folder} holds no boxes to learn from: give detection JSON as COCO has it, such as boxes.json"
        )
    pictures = PictureFolder(files.images)
    boxes = read_boxes(files.boxes, pictures)
    if not any(example.boxes for example in boxes.examples):
        raise UserError(f"{files.boxes} has no picture with a box: minivlm data check {folder} says why")
    labels = DetectorLabels(tags=boxes.classes, attributes=boxes.attributes)
    reports = (*pictures.reports, boxes.report)
    return BoxesToLearn(boxes=boxes, labels=labels, sha256=sha256(files.boxes), reports=reports)


def begin_with(
    labels: DetectorLabels, *, name: str | None, start: Path | None, backbone: str | None, seed: int
) -> Start:
    """Return a detector for given classes.

    Args:
        labels: Of the data.
        name: Of the model; None takes the checkpoint's, or `DEFAULT_MODEL`.
        start: Checkpoint with the weights of a detector for the same classes, or of one without names, as
            `minivlm checkpoint import` makes it, for as many; None draws them.
        backbone: Weights of ImageNet for the EfficientNet of a detector that is drawn; see `load_start`.
        seed: Of drawn weights.

    Raises:
        UserError: The model is no TEE, or the checkpoint's classes are others.
    """
    if start is not None:
        if backbone is not None:
            raise UserError("--start and --backbone both give weights: leave one of the two out")
        return _from_checkpoint(labels, name, start)
    name = name or DEFAULT_MODEL
    sizes = {"tags": len(labels.tags), "attributes": len(labels.attributes)}
    config = with_sizes(_tee_config(name), sizes)
    model = draw_detector(config, seed_of(Chance.WEIGHTS, seed))
    if backbone is None:
        return Start(name=name, model=model, origin=f"trained from nothing (seed {seed})", about={"model": name})
    load_start(model.backbone.efficientnet, backbone)
    origin = f"trained from the backbone {backbone} (seed {seed})"
    return Start(name=name, model=model, origin=origin, about={"model": name, "backbone": backbone})


def _from_checkpoint(labels: DetectorLabels, name: str | None, folder: Path) -> Start:
    info = checkpoints.read_info(folder)
    if name is None:
        name = next((part for part, place in parts_of(info.model).items() if place == "vision"), info.model)
    _tee_config(name)
    loaded = load_model(name, checkpoint=folder)
    model = loaded.module
    assert isinstance(model, TEE)
    config = model.config
    if exists(folder / TAGS):
        _check_names(labels, config, folder)
    elif sizes_of(config) != {"tags": len(labels.tags), "attributes": len(labels.attributes)}:
        raise UserError(
            f"{folder} has no names and {config.classes - 1} classes with {max(config.attributes - 1, 0)} attributes,"
            f" and the data {len(labels.tags)} with {len(labels.attributes)}: make it with the data's numbers, --tags"
            " and --attributes"
        )
    about = {"model": name, "start": loaded.origin.sha256}
    return Start(name=name, model=model, origin=f"{loaded.origin.description}; trained further", about=about)


def _check_names(labels: DetectorLabels, config: TEEConfig, folder: Path) -> None:
    """Refuse a checkpoint whose names are not the data's."""
    kept = exists(folder / ATTRIBUTES) and config.attributes > 0
    found = read_detector_labels(folder, tags=config.classes - 1, attributes=config.attributes - 1 if kept else 0)
    _check_same("classes", labels.tags, found.tags, folder)
    if kept or config.attributes != (len(labels.attributes) + 1 if labels.attributes else 0):
        _check_same("attributes", labels.attributes, found.attributes, folder)


def _tee_config(name: str) -> TEEConfig:
    config = get_config(name)
    if not isinstance(config, TEEConfig):
        raise UserError(f"{name} is no TEE, which is what can be trained as a detector: take {DEFAULT_MODEL} or tee-0")
    return config


def _check_same(what: str, data: Sequence[str], checkpoint: Sequence[str], folder: Path) -> None:
    """Refuse a checkpoint whose names are not the data's."""
    if tuple(data) == tuple(checkpoint):
        return
    place = next(
        (place for place, pair in enumerate(zip(data, checkpoint, strict=False)) if pair[0] != pair[1]),
        min(len(data), len(checkpoint)),
    )
    ours, theirs = (repr(names[place])[:60] if place < len(names) else "none" for names in (data, checkpoint))
    raise UserError(
        f"the data has {len(data)} {what}, and {folder} has {len(checkpoint)}; the first that differs is number"
        f" {place + 1}, {ours} in the data and {theirs} in the checkpoint: give data with the same {what}, or start"
        " without this checkpoint"
    )
