"""Whether sentences are true of the scenes of a set, picture by picture."""

from collections.abc import Callable
from pathlib import Path

from minivlm.scenes.scene import Scene
from minivlm.scenes.truth import Verdict, judge, read_scenes

Judge = Callable[[str], bool | None]
"""Whether a sentence is true; None where the grammar cannot read it."""


def judges_of(boxes: Path) -> dict[int, Judge]:
    """Return picture's id -> what judges sentences about it.

    Raises:
        UserError: The file is not what `minivlm data scenes` writes.
    """
    return {number: _judge_of(scene) for number, scene in read_scenes(boxes).items()}


def _judge_of(scene: Scene) -> Judge:
    def true(text: str) -> bool | None:
        verdict = judge(text, scene)
        return None if verdict is Verdict.UNREADABLE else verdict is Verdict.TRUE

    return true
