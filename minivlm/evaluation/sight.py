"""How a task's pictures are looked at: by the detector, by what it kept, or not at all."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from minivlm.inference.photo_regions import PhotoRegions, no_regions
from minivlm.inference.pipeline import Pipeline

Look = Callable[[Path], PhotoRegions]
"""Finds the regions of a picture."""
DETECTOR = "detector"
"""Name of the usual sight."""
NO_PICTURE = "no picture"
"""Name of the sight of a model that sees none."""


@dataclass(frozen=True, kw_only=True)
class Sight:
    """One way to look.

    Attributes:
        name: Says it in what is kept of a run, which goes on in the same way only.
        look: Finds the regions of a picture; raises `PhotoError` of one that cannot be read.
    """

    name: str
    look: Look


def seeing(pipeline: Pipeline) -> Sight:
    """Return the sight of a model: its detector looks at every picture."""
    return Sight(name=DETECTOR, look=pipeline.regions)


def blind(pipeline: Pipeline) -> Sight:
    """Return the sight of a model that sees no picture: no region, and so no tag."""
    nothing = no_regions(pipeline.backend.vision.feature_dim)
    return Sight(name=NO_PICTURE, look=lambda picture: nothing)


def sight_notes(pipeline: Pipeline, sight: Sight) -> tuple[str, ...]:
    """Return a line where a model is judged in another way than it was trained, else none."""
    trained_blind, judged_blind = pipeline.backend.origin.blind, sight.name == NO_PICTURE
    if trained_blind and not judged_blind:
        return ("the model was trained without pictures and is shown some: judge it with --blind",)
    if judged_blind and not trained_blind:
        return ("the model was trained on pictures and is shown none: for a fair one train another with --blind",)
    return ()
