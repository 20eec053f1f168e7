"""Whether sentences are true of the scenes of a set, picture by picture."""

from collections.abc import Callable
from pathlib import Path

from minivlm.datasets.json_data import read_json_object
from minivlm.datasets.pictures import PictureFolder
from minivlm.scenes.scene import Scene
from minivlm.scenes.truth import WAY_OUT, Verdict, judge, read_scenes

Judge = Callable[[str], bool | None]
"""Whether a sentence is true; None where the grammar cannot read it."""


def judges_of(boxes: Path) -> dict[int, Judge]:
    """Return picture's id -> what judges sentences about it.

    Raises:
        UserError: The file is not what `minivlm data scenes` writes.
    """
    return {number: _judge_of(scene) for number, scene in read_scenes(boxes).items()}


def judges_by_picture(boxes: Path, pictures: PictureFolder) -> dict[Path, Judge]:
    """Return picture -> what judges sentences about it; pictures that are not there are left out.

    Raises:
        UserError: The file is not what `minivlm data scenes` writes.
    """
    judges = judges_of(boxes)
    images = read_json_object(boxes, "the boxes of scenes", WAY_OUT)["images"]
    found = {pictures.named(image["file_name"]): judges[image["id"]] for image in images}
    return {picture: judge for picture, judge in found.items() if picture is not None}


def _judge_of(scene: Scene) -> Judge:
    def true(text: str) -> bool | None:
        verdict = judge(text, scene)
        return None if verdict is Verdict.UNREADABLE else verdict is Verdict.TRUE

    return true
