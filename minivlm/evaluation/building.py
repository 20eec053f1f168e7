"""From files of data to a task."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from minivlm.datasets.boxes import read_boxes
from minivlm.datasets.captions import CaptionExample, read_captions
from minivlm.datasets.folder import DataFiles
from minivlm.datasets.nlvr2 import read_statements
from minivlm.datasets.pictures import PictureFolder
from minivlm.datasets.questions import read_questions
from minivlm.datasets.report import Report
from minivlm.errors import UserError
from minivlm.evaluation.proposals import require_proposals
from minivlm.evaluation.tasks import CaptionTask, DetectionTask, QuestionTask, RetrievalTask, StatementTask, Task
from minivlm.inference.pipeline import Pipeline

NEEDED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "detection": ("boxes",),
        "caption": ("captions",),
        "vqa": ("questions", "annotations"),
        "nlvr2": ("nlvr2",),
        "retrieval": ("captions",),
    }
)
"""Task -> kinds of files that it reads."""

HEADS: Mapping[str, str | None] = MappingProxyType(
    {task.name: task.head for task in (DetectionTask, CaptionTask, QuestionTask, StatementTask, RetrievalTask)}
)
"""Task -> the head that the model must have."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a task may be told.

    Attributes:
        limit: Take only so many examples from the beginning; of retrieval, so many pictures with their texts.
        split: Of captions that say theirs.
        beams: Of captions.
        proposals: Of detection: look at the detector's first stage, too.
    """

    limit: int | None = None
    split: str = "test"
    beams: int = 1
    proposals: bool = False


def build_task(name: str, files: DataFiles, pipeline: Pipeline, settings: Settings) -> tuple[Task[Any], Report]:
    """Read the data of a task.

    Args:
        name: One of `SCORINGS`.
        files: As `find_data` returns them.
        pipeline: Whose tags and tokens the data is held against.
        settings: See there.

    Returns:
        The task, and what of its data was left out.

    Raises:
        UserError: The data is not there, or not what it should be.
    """
    folder = files.images or Path()
    match name:
        case "detection":
            boxes = read_boxes(_need(files, "boxes"), PictureFolder(folder))
            tags = pipeline.backend.tags
            _require_a_class(boxes.classes, tags)
            if settings.proposals:
                require_proposals(pipeline.backend)
            return DetectionTask(data=boxes, tags=tags, proposals=settings.proposals), boxes.report
        case "vqa":
            questions = read_questions(_need(files, "questions"), files.annotations, PictureFolder(folder))
            return QuestionTask(examples=questions.examples), questions.report
        case "nlvr2":
            statements = read_statements(_need(files, "nlvr2"), PictureFolder(folder))
            return StatementTask(examples=statements.examples), statements.report
    captions = read_captions(_need(files, "captions"), PictureFolder(folder))
    examples = _of_split(captions.examples, settings.split)
    if name == "caption":
        return CaptionTask(examples=examples, beams=settings.beams), captions.report
    readable = _readable(examples, pipeline.labels.tokenizer.encode)[: settings.limit]
    return RetrievalTask(examples=readable), captions.report


def _need(files: DataFiles, kind: str) -> Path:
    path: Path | None = getattr(files, kind)
    if path is None:
        there = ", ".join(files.kinds) or "pictures only"
        raise UserError(f"the data has {there}, and the task needs {kind}: name the file with --{kind} FILE")
    return path


def _require_a_class(classes: Sequence[str], tags: Sequence[str]) -> None:
    if not {name.casefold() for name in classes} & {tag.casefold() for tag in tags}:
        shown = ", ".join(classes[:3])
        raise UserError(
            f"none of the data's {len(classes)} classes ({shown}, ...) is a tag of the model's: give a model that was"
            " trained on them, or rename the classes"
        )


def _of_split(examples: Sequence[CaptionExample], split: str) -> Sequence[CaptionExample]:
    """Return the examples of a split; all where the data has no splits."""
    splits = sorted({example.split for example in examples if example.split is not None})
    if splits and split not in splits:
        raise UserError(f"the captions have no split {split!r}: give one of {', '.join(splits)} with --split NAME")
    return [example for example in examples if example.split == split] if splits else examples


def _readable(examples: Sequence[CaptionExample], encode: Callable[[str], list[int]]) -> list[CaptionExample]:
    """Drop texts that have no token: one alone would keep every picture from being compared with all texts."""
    kept = [replace(example, captions=tuple(text for text in example.captions if encode(text))) for example in examples]
    return [example for example in kept if example.captions]
