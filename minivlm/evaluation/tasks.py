"""What each task asks of a model, example by example."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
from torch import Tensor

from minivlm.datasets.boxes import BoxData, BoxExample
from minivlm.datasets.captions import CaptionExample
from minivlm.datasets.nlvr2 import StatementExample
from minivlm.datasets.questions import QuestionExample
from minivlm.evaluation.detection import Found, Truth, recall
from minivlm.evaluation.sight import Look
from minivlm.evaluation.whole_detector import all_names, proposal_corners
from minivlm.images.photos import load_photo
from minivlm.inference.pipeline import Pipeline

Example = TypeVar("Example")
Rows = Tensor | np.ndarray[Any, Any]


class Task(Protocol[Example]):
    """A task over one data set."""

    @property
    def name(self) -> str:
        """In `SCORINGS`."""
        ...

    @property
    def head(self) -> str | None:
        """That the model must have."""
        ...

    @property
    def examples(self) -> Sequence[Example]:
        """In the data's order; each has an `id`."""
        ...

    def pictures(self, example: Example) -> Sequence[Path]:
        """Return the files that an example needs."""
        ...

    def texts(self, example: Example) -> Sequence[str]:
        """Return what the model must be able to read."""
        ...

    def truth(self, example: Example) -> dict[str, Any]:
        """Return the part of a record that the data gives."""
        ...

    def predict(self, pipeline: Pipeline, look: Look, example: Example) -> dict[str, Any]:
        """Return the part of a record that the model gives."""
        ...


@dataclass(frozen=True, kw_only=True)
class DetectionTask:
    """Boxes, their names and attributes, of the regions that the pipeline gives; the case of names does not matter.

    Attributes:
        data: With names of its classes.
        tags: Of the model.
        proposals: Whether to look at the detector's first stage, too; it runs once more for that.
        all_names: Whether to look at every name that a box may have, too; likewise.
    """

    data: BoxData
    tags: Sequence[str]
    proposals: bool = False
    all_names: bool = False
    name = "detection"
    head = None

    @property
    def examples(self) -> Sequence[BoxExample]:
        """See `Task`."""
        return self.data.examples

    def pictures(self, example: BoxExample) -> Sequence[Path]:
        """See `Task`."""
        return (example.picture,)

    def texts(self, example: BoxExample) -> Sequence[str]:
        """See `Task`."""
        return ()

    @cached_property
    def _known(self) -> frozenset[str]:
        return frozenset(tag.casefold() for tag in self.tags)

    def truth(self, example: BoxExample) -> dict[str, Any]:
        """See `Task`."""
        names = [self.data.classes[box.label].casefold() for box in example.boxes]
        boxes: list[dict[str, Any]] = [
            {"name": name, "box": list(box.corners), "crowd": box.crowd, "known": name in self._known}
            for name, box in zip(names, example.boxes, strict=True)
        ]
        for record, box in zip(boxes, example.boxes, strict=True):
            if box.attributes:
                record["attributes"] = [name.casefold() for name in box.attributes]
        return {"truth": boxes}

    def predict(self, pipeline: Pipeline, look: Look, example: BoxExample) -> dict[str, Any]:
        """See `Task`."""
        found = look(example.picture)
        found = found.top(len(found.scores))
        record: dict[str, Any] = {"found": _rows(pipeline.tag_names(found), found.boxes, found.scores)}
        if pipeline.backend.attributes and found.attributes is not None:
            for one, attribute in zip(record["found"], pipeline.attribute_names(found), strict=True):
                one["attribute"] = attribute and attribute.casefold()
        if self.proposals:
            corners = proposal_corners(pipeline.backend, load_photo(example.picture))
            record["proposal_recall"] = _proposal_recall(example, corners)
        if self.all_names:
            named = all_names(pipeline.backend, load_photo(example.picture))
            record["named"] = _rows([self.tags[label] for label in named.labels], named.corners, named.scores)
        return record


def _rows(names: Sequence[str], boxes: Rows, scores: Rows) -> list[dict[str, Any]]:
    each = zip(names, boxes.tolist(), scores.tolist(), strict=True)
    return [{"name": name.casefold(), "box": box, "score": score} for name, box, score in each]


def _proposal_recall(example: BoxExample, corners: np.ndarray[Any, np.dtype[np.float64]]) -> float | None:
    nothing = np.zeros(len(corners))
    truth = Truth(
        corners=np.array([box.corners for box in example.boxes], dtype=np.float64).reshape(-1, 4),
        labels=np.array([box.label for box in example.boxes], dtype=np.int64),
        crowd=np.array([box.crowd for box in example.boxes], dtype=np.bool_),
    )
    return recall(truth, Found(corners=corners, labels=nothing.astype(np.int64), scores=nothing))


@dataclass(frozen=True, kw_only=True)
class CaptionTask:
    """A sentence a picture.

    Attributes:
        examples: Pictures with the captions that people wrote.
        beams: See `Pipeline.caption`.
        max_length: Likewise.
    """

    examples: Sequence[CaptionExample]
    beams: int = 1
    max_length: int = 20
    name = "caption"
    head = None

    def pictures(self, example: CaptionExample) -> Sequence[Path]:
        """See `Task`."""
        return (example.picture,)

    def texts(self, example: CaptionExample) -> Sequence[str]:
        """See `Task`."""
        return ()

    def truth(self, example: CaptionExample) -> dict[str, Any]:
        """See `Task`."""
        return {"references": list(example.captions)}

    def predict(self, pipeline: Pipeline, look: Look, example: CaptionExample) -> dict[str, Any]:
        """See `Task`."""
        result = pipeline.caption(look(example.picture), beams=self.beams, max_length=self.max_length)
        return {"caption": result.text, "score": result.score}


@dataclass(frozen=True, kw_only=True)
class QuestionTask:
    """An answer a question; `examples` may have people's answers or none."""

    examples: Sequence[QuestionExample]
    name = "vqa"
    head = "vqa"

    def pictures(self, example: QuestionExample) -> Sequence[Path]:
        """See `Task`."""
        return (example.picture,)

    def texts(self, example: QuestionExample) -> Sequence[str]:
        """See `Task`."""
        return (example.question,)

    def truth(self, example: QuestionExample) -> dict[str, Any]:
        """See `Task`."""
        people = list(example.answers)
        return {"question": example.question, "people": people, "answer_type": example.answer_type}

    def predict(self, pipeline: Pipeline, look: Look, example: QuestionExample) -> dict[str, Any]:
        """See `Task`."""
        result = pipeline.answer(look(example.picture), example.question, top=1)
        best = result.best[0]
        return {"answer": best.text, "probability": best.probability, "cut": result.question.dropped}


@dataclass(frozen=True, kw_only=True)
class StatementTask:
    """A verdict on each statement about two pictures."""

    examples: Sequence[StatementExample]
    name = "nlvr2"
    head = "nlvr2"

    def pictures(self, example: StatementExample) -> Sequence[Path]:
        """See `Task`."""
        return (example.left, example.right)

    def texts(self, example: StatementExample) -> Sequence[str]:
        """See `Task`."""
        return (example.sentence,)

    def truth(self, example: StatementExample) -> dict[str, Any]:
        """See `Task`."""
        return {"sentence": example.sentence, "group": example.group, "label": example.label}

    def predict(self, pipeline: Pipeline, look: Look, example: StatementExample) -> dict[str, Any]:
        """See `Task`."""
        result = pipeline.judge(look(example.left), look(example.right), example.sentence)
        cut = max(result.left.dropped, result.right.dropped)
        return {"true": result.true, "probability": result.probability, "cut": cut}


@dataclass(frozen=True, kw_only=True)
class RetrievalTask:
    """How well every text fits every picture; a picture with its row of all texts is an example.

    Attributes:
        examples: Pictures with their texts, all of which are candidates.
    """

    examples: Sequence[CaptionExample]
    name = "retrieval"
    head = "match"

    @cached_property
    def _columns(self) -> dict[str, tuple[int, int]]:
        """Return picture's id -> first and last + 1 of its texts among all."""
        ends = np.cumsum([len(example.captions) for example in self.examples]).tolist()
        pairs = zip(self.examples, ends, strict=True)
        return {example.id: (end - len(example.captions), end) for example, end in pairs}

    @cached_property
    def _texts(self) -> list[str]:
        return [text for example in self.examples for text in example.captions]

    def pictures(self, example: CaptionExample) -> Sequence[Path]:
        """See `Task`."""
        return (example.picture,)

    def texts(self, example: CaptionExample) -> Sequence[str]:
        """See `Task`."""
        return example.captions

    def truth(self, example: CaptionExample) -> dict[str, Any]:
        """See `Task`."""
        return {"texts": list(example.captions), "own": list(self._columns[example.id])}

    def predict(self, pipeline: Pipeline, look: Look, example: CaptionExample) -> dict[str, Any]:
        """See `Task`."""
        regions = look(example.picture)
        matches = pipeline.match_all([(text, regions) for text in self._texts])
        return {"scores": [match.probability for match in matches]}
