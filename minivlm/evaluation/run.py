"""The loop over a data set, on whatever backend."""

import hashlib
import json
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from minivlm.datasets.pictures import fault_of
from minivlm.datasets.report import Finding, Findings
from minivlm.errors import UserError
from minivlm.evaluation.records import Record, RecordFile
from minivlm.evaluation.scoring import scoring_of
from minivlm.evaluation.sight import Look
from minivlm.evaluation.tasks import Task
from minivlm.images.photos import PhotoError
from minivlm.inference.photo_regions import PhotoRegions
from minivlm.inference.pipeline import Pipeline

Example = TypeVar("Example")

KEPT = 64
"""Pictures whose regions stay in memory: questions about one picture are next to each other in VQA v2."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a model scores.

    Attributes:
        task: Name.
        values: Metric -> number, see `Metrics`.
        intervals: Of some metrics, see `Metrics`.
        examples: How many count.
        findings: Examples that count in nothing, and why.
        notes: What is missing or should be known, a line each.
    """

    task: str
    values: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]]
    examples: int
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]


class KeptRegions:
    """Finds the regions of pictures, and keeps those of the last few.

    Args:
        look: Finds them; it may keep them on disk.
        size: Pictures that are kept.
    """

    def __init__(self, look: Look, size: int = KEPT) -> None:
        self._look = look
        self._size = size
        self._kept: OrderedDict[Path, PhotoRegions] = OrderedDict()

    def __call__(self, picture: Path) -> PhotoRegions:
        """Return the regions of a picture.

        Raises:
            UnusableError: It cannot be read, or the detector can make nothing of it.
            UserError: What is wrong has nothing to do with the picture.
        """
        if picture in self._kept:
            self._kept.move_to_end(picture)
            return self._kept[picture]
        try:
            regions = self._look(picture)
        except PhotoError as error:
            raise UnusableError("examples whose picture cannot be used", fault_of(picture, error)) from None
        self._kept[picture] = regions
        if len(self._kept) > self._size:
            self._kept.popitem(last=False)
        return regions


class UnusableError(Exception):
    """An example cannot be used: its kind in the plural, and what is wrong with this one."""


def evaluate(
    task: Task[Example],
    pipeline: Pipeline,
    records: RecordFile,
    *,
    look: Look | None = None,
    limit: int | None = None,
    progress: Callable[[int, int], None] = lambda number, of: None,
) -> Outcome:
    """Put every example to a model, and score what it says.

    Args:
        task: With its examples.
        pipeline: Over any backend.
        records: Where results are kept; those that are there are not computed again.
        look: Finds the regions of a picture; by default the pipeline does.
        limit: Take only so many examples from the beginning.
        progress: Called with the number of the example that comes next, from 1, and of all.

    Raises:
        UserError: There are no examples, none can be used, or the backend cannot do the task.
    """
    examples = task.examples[:limit]
    if not examples:
        raise UserError("the data has no example that can be used: minivlm data check says why")
    if task.head is not None:
        pipeline.require(task.head)
    regions = KeptRegions(look or pipeline.regions)
    for number, example in enumerate(examples, start=1):
        key = _key(example)
        if key not in records.records:
            progress(number, len(examples))
            records.add({"id": key, **_attempt(task, pipeline, regions, example)})
    return score(task.name, [records.records[_key(example)] for example in examples])


def score(name: str, records: Sequence[Mapping[str, Any]]) -> Outcome:
    """Score records.

    Args:
        name: Of the task.
        records: Its records, of whatever run.

    Raises:
        UserError: None of them holds an answer.
    """
    findings = Findings()
    for record in records:
        if "error" in record:
            findings.leave_out(record["kind"], f"{record['id']}: {record['error']}")
    answered = [record for record in records if "error" not in record]
    if not answered:
        raise UserError(f"no example could be used, the first because: {records[0]['error']}")
    metrics = scoring_of(name).metrics(answered)
    cut = sum(record.get("cut", 0) > 0 for record in answered)
    notes = [*metrics.notes, *([f"{cut} texts were too long: their ends were cut"] if cut else [])]
    return Outcome(
        task=name,
        values=metrics.values,
        intervals=metrics.intervals,
        examples=len(answered),
        findings=findings.found,
        notes=tuple(notes),
    )


def fingerprint(task: Task[Any]) -> str:
    """Return the SHA-256, in hexadecimal, of all that a task's data says; where the pictures lie is no part of it."""
    digest = hashlib.sha256()
    for example in task.examples:
        said = {"id": _key(example), "texts": list(task.texts(example)), **task.truth(example)}
        said["pictures"] = [picture.name for picture in task.pictures(example)]
        digest.update(json.dumps(said, sort_keys=True).encode())
    return digest.hexdigest()


def _attempt(task: Task[Example], pipeline: Pipeline, look: KeptRegions, example: Example) -> Record:
    """Return a record without its id; of an example that cannot be used, the reason in place of an answer."""
    try:
        for text in task.texts(example):
            if not pipeline.labels.tokenizer.encode(text):
                raise UnusableError("examples whose text the model cannot read", f"{text!r:.60}")
        return {**task.truth(example), **task.predict(pipeline, look, example)}
    except UnusableError as error:
        kind, reason = error.args
        return {"kind": kind, "error": reason}


def _key(example: Any) -> str:
    key: str = example.id
    return key
