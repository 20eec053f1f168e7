"""A task put to one pipeline: its data, its examples, and where what is said of each is kept."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from minivlm.datasets.report import Report
from minivlm.evaluation.building import Settings, TaskData, build_task
from minivlm.evaluation.records import Record, RecordFile, open_records
from minivlm.evaluation.run import Outcome, evaluate, fingerprint
from minivlm.evaluation.sight import DETECTOR, Sight, seeing
from minivlm.evaluation.tasks import Task
from minivlm.inference.pipeline import Pipeline
from minivlm.storage.files import sha256

LATER = frozenset({"all_names"})
"""Settings that there were not always, told only where they are given: what was kept before goes on."""


@dataclass(frozen=True, kw_only=True)
class Sitting:
    """See `begin_sitting`.

    Attributes:
        task: With its examples.
        report: What of the data was left out.
        pipeline: Over any backend.
        records: What is kept.
        settings: Of the task.
        sight: How pictures are looked at.
    """

    task: Task[Any]
    report: Report
    pipeline: Pipeline
    records: RecordFile
    settings: Settings
    sight: Sight

    def finish(self, progress: Callable[[int, int], None] = lambda number, of: None) -> Outcome:
        """Put every example that has no record to the model, and score all of them; see `evaluate`."""
        limit, look = self.settings.limit, self.sight.look
        return evaluate(self.task, self.pipeline, self.records, look=look, limit=limit, progress=progress)


def begin_sitting(
    name: str,
    data: TaskData,
    pipeline: Pipeline,
    settings: Settings,
    *,
    sight: Sight | None = None,
    artifact: Path | None = None,
    kept: Path | None = None,
    resume: bool = False,
) -> Sitting:
    """Read a task's data, and open its records.

    Args:
        name: Of the task.
        data: Whose files are read where no task has read them yet.
        pipeline: Over any backend.
        settings: Of the task.
        sight: How pictures are looked at; by default by the pipeline's detector.
        artifact: That the pipeline runs, None where PyTorch runs the model.
        kept: File of records; None keeps them in memory only.
        resume: Go on with the records that are there.

    Raises:
        UserError: The data is not what it should be, the model cannot do the task, or the records are another's.
    """
    task, report = build_task(name, data, pipeline, settings)
    if task.head is not None:  # before there is a file to go on with
        pipeline.require(task.head)
    sight = sight or seeing(pipeline)
    header = _header(name, pipeline, fingerprint(task), settings, artifact)
    if sight.name != DETECTOR:
        header["sight"] = sight.name
    records = open_records(kept, header, resume=resume)
    return Sitting(task=task, report=report, pipeline=pipeline, records=records, settings=settings, sight=sight)


def _header(name: str, pipeline: Pipeline, data: str, settings: Settings, artifact: Path | None) -> Record:
    """Return what records depend on: a run that goes on must have the same."""
    told = {name: value for name, value in asdict(settings).items() if value or name not in LATER}
    return {
        "task": name,
        "model": pipeline.backend.model,
        "weights": asdict(pipeline.backend.origin),
        "artifact": None if artifact is None else {"name": artifact.name, "sha256": sha256(artifact)},
        "data": data,
        # How many are taken is no part of a result, but of which texts a picture was compared with: `data` says those.
        "settings": {name: value for name, value in told.items() if name != "limit"},
    }
