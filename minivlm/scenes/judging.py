"""Whether sentences are true of the scenes of a set, picture by picture."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from minivlm.datasets.json_data import read_json_object
from minivlm.datasets.pictures import PictureFolder
from minivlm.scenes.reading import read_caption
from minivlm.scenes.scene import Scene
from minivlm.scenes.truth import WAY_OUT, Verdict, judge, read_scenes, scenes_of

Judge = Callable[[str], bool | None]
"""Whether a sentence is true; None where the grammar cannot read it."""


def judges_of(boxes: Path) -> dict[int, Judge]:
    """Return picture's id -> what judges sentences about it.

    Raises:
        UserError: The file is not what `minivlm data scenes` writes.
    """
    return {number: _judge_of(scene) for number, scene in read_scenes(boxes).items()}


def describers_of(boxes: Path, pictures: PictureFolder) -> dict[Path, Judge]:
    """Return picture -> what tells whether a sentence describes it; pictures that are not there are left out.

    Unlike `judges_of`, which finds true whatever is no mistake: that there are more dogs than purple unicorns is true
    where there is a dog, and a model that is rewarded for the truth alone soon says nothing else.

    Raises:
        UserError: The file is not what `minivlm data scenes` writes.
    """
    content = read_json_object(boxes, "the boxes of scenes", WAY_OUT)
    scenes = scenes_of(content, boxes)
    found = {
        pictures.named(image["file_name"]): partial(describes, scene=scenes[image["id"]]) for image in content["images"]
    }
    return {picture: judge for picture, judge in found.items() if picture is not None}


def describes(text: str, scene: Scene) -> bool:
    """Tell whether a sentence is true of a scene, and all that it speaks of is there."""
    fact = read_caption(text)
    return fact is not None and fact.holds(scene) and all(phrase.among(scene) for phrase in fact.phrases())


def _judge_of(scene: Scene) -> Judge:
    def true(text: str) -> bool | None:
        verdict = judge(text, scene)
        return None if verdict is Verdict.UNREADABLE else verdict is Verdict.TRUE

    return true
