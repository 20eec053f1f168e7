"""Whether a sentence is true of a scene: how captions are scored that a model has written."""

from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any

from minivlm.datasets.json_data import read_json_object
from minivlm.errors import UserError
from minivlm.scenes.reading import read_caption, read_statement
from minivlm.scenes.scene import Placed, Scene
from minivlm.scenes.things import COLOURS, SIZES

WAY_OUT = "make the scenes again by minivlm data scenes"


class Verdict(Enum):
    """What a sentence is worth."""

    TRUE = "true"
    FALSE = "false"
    UNREADABLE = "unreadable"


def judge(text: str, scene: Scene) -> Verdict:
    """Tell whether a sentence about one picture is true."""
    fact = read_caption(text)
    return Verdict.UNREADABLE if fact is None else _verdict(fact.holds(scene))


def judge_pair(text: str, left: Scene, right: Scene) -> Verdict:
    """Tell whether a statement about two pictures is true."""
    fact = read_statement(text)
    return Verdict.UNREADABLE if fact is None else _verdict(fact.holds(left, right))


def _verdict(true: bool) -> Verdict:
    return Verdict.TRUE if true else Verdict.FALSE


def read_scenes(path: Path) -> dict[int, Scene]:
    """Read the scenes that a set's boxes.json describes.

    Returns:
        Picture's id -> scene.

    Raises:
        UserError: It cannot be read, or is not what `minivlm data scenes` writes.
    """
    return scenes_of(read_json_object(path, "the boxes of scenes", WAY_OUT), path)


def scenes_of(content: Mapping[str, Any], path: Path) -> dict[int, Scene]:
    """Return picture's id -> scene.

    Args:
        content: Of a set's boxes.json.
        path: Of that file, for the message.

    Raises:
        UserError: It is not what `minivlm data scenes` writes.
    """
    try:
        nouns = {category["id"]: category["name"] for category in content["categories"]}
        objects: dict[int, list[Placed]] = {image["id"]: [] for image in content["images"]}
        sides = {image["id"]: image["width"] for image in content["images"]}
        for entry in content["annotations"]:
            objects[entry["image_id"]].append(placed(entry, nouns))
    except (KeyError, TypeError, ValueError, IndexError, StopIteration) as error:
        raise UserError(f"{path} does not describe scenes ({error!r}): {WAY_OUT}") from None
    return {image: Scene(side=sides[image], objects=tuple(found)) for image, found in objects.items()}


def placed(entry: Mapping[str, Any], nouns: Mapping[int, str]) -> Placed:
    """Return the object that an annotation describes.

    Args:
        entry: Of COCO's shape, with "attributes", "hints", "visible" and "style".
        nouns: Category's id -> name.
    """
    left, top, width, height = (int(length) for length in entry["bbox"])
    attributes: Sequence[str] = entry["attributes"]
    return Placed(
        noun=nouns[entry["category_id"]],
        box=(left, top, left + width, top + height),
        size=next(name for name in SIZES if name in attributes),
        colour=next((name for name in COLOURS if name in attributes), ""),
        hints=tuple(entry["hints"]),
        visible=float(entry["visible"]),
        pixels=int(entry["area"]),
        style=entry["style"],
    )
