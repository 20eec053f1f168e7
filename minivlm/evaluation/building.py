"""From files of data to a task."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

from minivlm.datasets.boxes import BoxData, read_boxes
from minivlm.datasets.captions import CaptionData, CaptionExample, read_captions
from minivlm.datasets.folder import DataFiles
from minivlm.datasets.nlvr2 import StatementData, read_statements
from minivlm.datasets.pictures import PictureFolder
from minivlm.datasets.questions import QuestionData, read_questions
from minivlm.datasets.report import Report
from minivlm.errors import UserError
from minivlm.evaluation.tasks import CaptionTask, DetectionTask, QuestionTask, RetrievalTask, StatementTask, Task
from minivlm.evaluation.whole_detector import require_whole
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
        all_names: Of detection: look at every name of every box, too.
    """

    limit: int | None = None
    split: str = "test"
    beams: int = 1
    proposals: bool = False
    all_names: bool = False


@dataclass(frozen=True)
class TaskData:
    """The files of a data set; each is read when a task first needs it, and once for all tasks and models.

    Attributes:
        files: As `find_data` returns them.
    """

    files: DataFiles

    @cached_property
    def boxes(self) -> BoxData:
        """Of detection."""
        return read_boxes(self._need("boxes"), self.pictures)

    @cached_property
    def questions(self) -> QuestionData:
        """Of VQA, with answers where there are."""
        return read_questions(self._need("questions"), self.files.annotations, self.pictures)

    @cached_property
    def statements(self) -> StatementData:
        """Of NLVR2."""
        return read_statements(self._need("nlvr2"), self.pictures)

    @cached_property
    def captions(self) -> CaptionData:
        """Of captioning and retrieval."""
        return read_captions(self._need("captions"), self.pictures)

    @cached_property
    def pictures(self) -> PictureFolder:
        """Of all tasks."""
        return PictureFolder(self.files.images or Path())

    def _need(self, kind: str) -> Path:
        path: Path | None = getattr(self.files, kind)
        if path is None:
            there = ", ".join(self.files.kinds) or "pictures only"
            raise UserError(f"the data has {there}, and the task needs {kind}: name the file with --{kind} FILE")
        return path


def build_task(name: str, data: TaskData, pipeline: Pipeline, settings: Settings) -> tuple[Task[Any], Report]:
    """Take the examples of a task from data, see `_build_task`; what is wrong with shards is told, too."""
    task, report = _build_task(name, data, pipeline, settings)
    return task, replace(report, findings=(*data.pictures.findings, *report.findings))


def _build_task(name: str, data: TaskData, pipeline: Pipeline, settings: Settings) -> tuple[Task[Any], Report]:
    """Take the examples of a task from data.

    Args:
        name: One of `SCORINGS`.
        data: See there.
        pipeline: Whose tags and tokens the data is held against.
        settings: See there.

    Returns:
        The task, and what of its data was left out.

    Raises:
        UserError: The data is not there, or not what it should be.
    """
    match name:
        case "detection":
            boxes = data.boxes
            tags = pipeline.backend.tags
            _require_a_class(boxes.classes, tags)
            asked = {"proposals": settings.proposals, "all_names": settings.all_names}
            for name in (name for name, wanted in asked.items() if wanted):
                require_whole(pipeline.backend, f"--{name.replace('_', '-')}")
            return DetectionTask(data=boxes, tags=tags, **asked), boxes.report
        case "vqa":
            return QuestionTask(examples=data.questions.examples), data.questions.report
        case "nlvr2":
            return StatementTask(examples=data.statements.examples), data.statements.report
    examples = _of_split(data.captions.examples, settings.split)
    if name == "caption":
        return CaptionTask(examples=examples, beams=settings.beams), data.captions.report
    readable = _readable(examples, pipeline.labels.tokenizer.encode)[: settings.limit]
    return RetrievalTask(examples=readable), data.captions.report


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
