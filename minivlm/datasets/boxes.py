"""COCO detection JSON: Objects365, Visual Genome and own data, with attributes as an extra field.

Lists `images` (id, file_name, width, height), `categories` (id, name) and `annotations` (id, image_id, category_id,
bbox as x, y, width and height in pixels, iscrowd). An annotation may have `attributes`, names or ids in a list
`attributes` of the file (id, name).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from minivlm.datasets.json_data import entries_of, identifier, number, objects_of, read_json_object, words
from minivlm.datasets.pictures import NOT_THERE, PictureFolder
from minivlm.datasets.report import Findings, Report
from minivlm.errors import UserError

WHAT = "detection JSON as COCO has it"
WAY_OUT = "give an object with the lists images, annotations and categories"

SMALLEST_CUT = 0.5
"""Pixels over a picture's edge that are worth a word; less is rounding."""


@dataclass(frozen=True, kw_only=True)
class Box:
    """One object in a picture.

    Attributes:
        corners: x1, y1, x2, y2 in the picture's pixels, within the picture where its size is known.
        label: Place in `BoxData.classes`.
        attributes: Names.
        crowd: Whether the box is around many objects; metrics then neither ask for it nor punish who finds it.
    """

    corners: tuple[float, float, float, float]
    label: int
    attributes: tuple[str, ...] = ()
    crowd: bool = False


@dataclass(frozen=True, kw_only=True)
class BoxExample:
    """A picture and its boxes, of which there may be none.

    Attributes:
        id: The picture's id.
        picture: Its file.
        size: Height and width in pixels as the data says them, or None.
        boxes: In the file's order.
    """

    id: str
    picture: Path
    size: tuple[int, int] | None
    boxes: tuple[Box, ...]


@dataclass(frozen=True, kw_only=True)
class BoxData:
    """All of a file.

    Attributes:
        classes: Names in the file's order.
        examples: In the file's order.
        report: What there is and what was left out.
        attributes: Names in the file's order; where it has no list of them, those that boxes have, sorted.
    """

    classes: tuple[str, ...]
    examples: tuple[BoxExample, ...]
    report: Report
    attributes: tuple[str, ...] = ()


def read_boxes(path: Path, pictures: PictureFolder) -> BoxData:
    """Read a file; see the module.

    Raises:
        UserError: It is no such JSON.
    """
    content, findings = read_json_object(path, WHAT, WAY_OUT), Findings()
    images = _read_images(content, path, pictures, findings)
    classes = _read_names(content, "categories", path, findings)
    attributes = _read_names(content, "attributes", path, findings) if "attributes" in content else {}
    names = tuple(dict.fromkeys(classes.values()))
    labels = {key: names.index(name) for key, name in classes.items()}
    boxes: dict[str, list[Box]] = {key: [] for key in images}
    seen: set[str] = set()
    for entry in entries_of(content, "annotations", path, WHAT, WAY_OUT, findings):
        name = _annotation_name(entry, seen, findings)
        if name is None:
            continue
        image = identifier(entry.get("image_id"))
        if image is None or image not in boxes:
            findings.leave_out("boxes of pictures that are not listed or were left out", name)
            continue
        box = _read_box(entry, name, images[image][1], labels, attributes, findings)
        if box is not None:
            boxes[image].append(box)
    examples = tuple(
        BoxExample(id=key, picture=file, size=size, boxes=tuple(boxes[key])) for key, (file, size) in images.items()
    )
    for example in examples:
        if not example.boxes:
            findings.note("pictures without boxes", example.id)
    total = sum(len(example.boxes) for example in examples)
    counts = (("pictures", len(examples)), ("boxes", total), ("classes", len(names)), ("attributes", len(attributes)))
    report = Report(title="boxes", source=path, counts=counts, findings=findings.found)
    listed = tuple(dict.fromkeys(attributes.values()))
    used = sorted({name for example in examples for box in example.boxes for name in box.attributes})
    return BoxData(classes=names, examples=examples, report=report, attributes=listed or tuple(used))


def _read_images(
    content: dict[str, Any], path: Path, pictures: PictureFolder, findings: Findings
) -> dict[str, tuple[Path, tuple[int, int] | None]]:
    """Return id -> file, and height and width."""
    images: dict[str, tuple[Path, tuple[int, int] | None]] = {}
    for entry in entries_of(content, "images", path, WHAT, WAY_OUT, findings):
        key, name = identifier(entry.get("id")), words(entry.get("file_name"))
        if key is None or name is None:
            findings.leave_out("pictures without id or file_name", key or name or "?")
        elif key in images:
            findings.leave_out("pictures whose id is there twice", key)
        elif (file := pictures.named(name)) is None:
            findings.leave_out(NOT_THERE, name)
        else:
            height, width = number(entry.get("height")), number(entry.get("width"))
            known = height is not None and width is not None and min(height, width) >= 1
            images[key] = (file, (int(height or 0), int(width or 0)) if known else None)
    return images


def _read_names(content: dict[str, Any], key: str, path: Path, findings: Findings) -> dict[str, str]:
    """Return id -> name of a list of objects with id and name, or of a list of names, whose ids count from 0."""
    entries = content.get(key)
    if not isinstance(entries, list):
        raise UserError(f'{path} is not {WHAT}, as it has no list "{key}": {WAY_OUT}')
    if entries and all(isinstance(entry, str) for entry in entries):
        entries = [{"id": place, "name": name} for place, name in enumerate(entries)]
    names: dict[str, str] = {}
    for entry in objects_of(entries, key, findings):
        number_, name = identifier(entry.get("id")), words(entry.get("name"))
        if number_ is None or name is None:
            findings.leave_out(f"{key} without id or name", number_ or name or "?")
        elif number_ in names:
            findings.leave_out(f"{key} whose id is there twice", f"{number_} ({name})")
        else:
            if name in names.values():
                findings.note(f"{key} whose name is there twice: taken for one", name)
            names[number_] = name
    return names


def _annotation_name(entry: dict[str, Any], seen: set[str], findings: Findings) -> str | None:
    """Return what an annotation is called in reports; None where its id was there before. An id is not required."""
    key = identifier(entry.get("id"))
    if key is None:
        return f"in picture {identifier(entry.get('image_id')) or '?'}"
    if key in seen:
        findings.leave_out("boxes whose id is there twice", key)
        return None
    seen.add(key)
    return key


def _read_box(
    entry: dict[str, Any],
    name: str,
    size: tuple[int, int] | None,
    labels: Mapping[str, int],
    attributes: Mapping[str, str],
    findings: Findings,
) -> Box | None:
    label = labels.get(identifier(entry.get("category_id")) or "")
    if label is None:
        findings.leave_out("boxes of classes that are not listed", f"{name}: {entry.get('category_id')!r:.20}")
        return None
    corners = _read_corners(entry.get("bbox"), name, size, findings)
    if corners is None:
        return None
    named = _read_attributes(entry.get("attributes"), name, attributes, findings)
    return Box(corners=corners, label=label, attributes=named, crowd=entry.get("iscrowd") in (1, True))


def _read_corners(
    given: Any, name: str, size: tuple[int, int] | None, findings: Findings
) -> tuple[float, float, float, float] | None:
    numbers = [number(value) for value in given] if isinstance(given, list) else []
    finite = [value for value in numbers if value is not None]
    if len(numbers) != 4 or len(finite) != 4:
        findings.leave_out("boxes that are not four numbers", name)
        return None
    x, y, width, height = finite
    if not (x < x + width < math.inf and y < y + height < math.inf):  # of huge numbers, a side may round to nothing
        findings.leave_out("boxes without area", name)
        return None
    if size is None:
        return x, y, x + width, y + height
    bottom, right = float(size[0]), float(size[1])
    x1, y1, x2, y2 = max(x, 0.0), max(y, 0.0), min(x + width, right), min(y + height, bottom)
    if x1 >= x2 or y1 >= y2:
        findings.leave_out("boxes outside of the picture", name)
        return None
    if max(x1 - x, y1 - y, x + width - x2, y + height - y2) > SMALLEST_CUT:
        findings.note("boxes cut at the picture's edge", name)
    return x1, y1, x2, y2


def _read_attributes(given: Any, name: str, known: Mapping[str, str], findings: Findings) -> tuple[str, ...]:
    """Return names; an id must be one of the file's list, a name too where the file has such a list."""
    if given is None:
        return ()
    if not isinstance(given, list):
        findings.leave_out("attributes that are no list", name)
        return ()
    found = []
    for value in given:
        text = words(value)
        named = known.get(identifier(value) or "") or (text if not known or text in known.values() else None)
        if named is None or (not known and not isinstance(value, str)):
            findings.leave_out("attributes that are not listed", f"{name}: {value!r:.20}")
        else:
            found.append(named)
    return tuple(dict.fromkeys(found))
