"""Captions and tags that a teacher writes for pictures that have none: the paper's data distillation (section 3.2).

OI-Caps-7M is pictures of Open Images with captions by a large captioner and tags by a large detector. Here the teacher
is any model or artifact. What it says is written in the shapes of `minivlm.datasets`, and learnt from as any data is:
captions.json, a plain list, and boxes.json, COCO detection with the score of each box.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from minivlm.datasets.pictures import PictureFolder, fault_of
from minivlm.errors import UserError
from minivlm.evaluation.records import Record, RecordFile, open_records
from minivlm.images.photos import PhotoError
from minivlm.inference.pipeline import Pipeline
from minivlm.storage.files import exists, write_text
from minivlm.storage.json_text import json_text

RECORDS = "pseudo-labels.jsonl"
CAPTIONS, BOXES = "captions.json", "boxes.json"


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """What was written.

    Attributes:
        pictures: With a caption.
        boxes: Of all pictures.
        unusable: Pictures that could not be used, and why.
    """

    pictures: int
    boxes: int
    unusable: tuple[str, ...]


def open_labels(folder: Path, pipeline: Pipeline, beams: int, *, resume: bool) -> RecordFile:
    """Begin, or go on.

    Args:
        folder: Where everything is written; may hold other files, such as the pictures.
        pipeline: The teacher.
        beams: Of its captions.
        resume: Go on with what is there.

    Raises:
        UserError: There are captions or boxes already, or what is there is another teacher's.
    """
    for name in (CAPTIONS, BOXES):
        if exists(folder / name):
            raise UserError(f"{folder / name} is there, and would be overwritten: name another folder")
    header = {
        "task": "pseudo-label",
        "model": pipeline.backend.model,
        "weights": asdict(pipeline.backend.origin),
        "labels": pipeline.labels.sha256,
        "beams": beams,
    }
    return open_records(folder / RECORDS, header, resume=resume)


def label_pictures(
    folder: Path,
    images: PictureFolder,
    pipeline: Pipeline,
    records: RecordFile,
    *,
    beams: int,
    progress: Callable[[int, int], None],
) -> Labelled:
    """Let a teacher describe pictures; one that cannot be read is left out and told of.

    Args:
        folder: Where captions.json and boxes.json are written when all is done.
        images: Pictures; named by their paths in this folder.
        pipeline: The teacher.
        records: As `open_labels` gives it; what is in it is not done again.
        beams: Of its captions.
        progress: Told of the picture that comes next, from 1, and of how many.

    Raises:
        UserError: There is no picture, none can be used, or something cannot be written.
    """
    if not images.files:
        raise UserError(f"{images.folder} holds no pictures: give the folder that does with --images DIR")
    pipeline.whole  # noqa: B018 - a detector alone writes no captions, which is better said now
    said: list[Record] = []
    for number, picture in enumerate(images.files, start=1):
        progress(number, len(images.files))
        name = picture.relative_to(images.folder).as_posix()
        if name not in records.records:
            records.add({"id": name, **_describe(pipeline, picture, beams)})
        said.append(records.records[name])
    usable = [record for record in said if "error" not in record]
    if not usable:
        raise UserError(f"none of the {len(said)} pictures can be used, the first because: {said[0]['error']}")
    captions = [{"image": one["id"], "caption": one["caption"]} for one in usable if one["caption"]]
    boxes = _as_coco(usable)
    write_text(folder / BOXES, json_text(boxes, indent=None) + "\n")
    write_text(folder / CAPTIONS, json_text(captions, indent=None) + "\n")
    errors = tuple(record["error"] for record in said if "error" in record)
    return Labelled(pictures=len(captions), boxes=len(boxes["annotations"]), unusable=errors)


def _describe(pipeline: Pipeline, picture: Path, beams: int) -> Record:
    try:
        regions = pipeline.regions(picture)
    except PhotoError as error:
        return {"error": fault_of(picture, error)}
    caption = pipeline.caption(regions, beams=beams)
    best = regions.top(len(regions.scores))
    rows = zip(pipeline.tag_names(best), best.boxes.tolist(), best.scores.tolist(), strict=True)
    return {
        "caption": caption.text,
        "score": caption.score,
        "size": list(regions.photo_size),
        "boxes": [{"name": name, "corners": corners, "score": score} for name, corners, score in rows],
    }


def _as_coco(records: list[Record]) -> dict[str, Any]:
    """Return detection JSON; ids count from 1."""
    names = list(dict.fromkeys(box["name"] for record in records for box in record["boxes"]))
    ids = {name: number for number, name in enumerate(names, start=1)}
    images, annotations = [], list[dict[str, Any]]()
    for key, record in enumerate(records, start=1):
        height, width = record["size"]
        images.append({"id": key, "file_name": record["id"], "width": width, "height": height})
        for box in record["boxes"]:
            left, top, right, bottom = box["corners"]
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": key,
                    "category_id": ids[box["name"]],
                    "bbox": [left, top, right - left, bottom - top],
                    "score": box["score"],
                }
            )
    categories = [{"id": number, "name": name} for name, number in ids.items()]
    return {"images": images, "annotations": annotations, "categories": categories}
