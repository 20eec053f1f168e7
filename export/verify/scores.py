"""What a model or an artifact scores in each task, and what the artifact keeps of the model's score."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType

from export.runtime.artifact_backend import open_backend
from export.runtime.artifact_detector import open_detector
from minivlm.console import Steps
from minivlm.datasets.folder import DataFiles
from minivlm.evaluation.bootstrap import Difference
from minivlm.evaluation.building import HEADS, NEEDED, Settings, TaskData
from minivlm.evaluation.compare import compare
from minivlm.evaluation.run import Outcome
from minivlm.evaluation.sitting import begin_sitting
from minivlm.inference.backend import Backend
from minivlm.inference.detector import Detector, TorchDetector
from minivlm.inference.pipeline import Pipeline
from minivlm.weights.labels import DetectorLabels

PYTORCH = "pytorch fp32"
"""Name of what all others are held against."""
FLOOR = 0.97
"""Share of each task's score that an artifact has to keep."""
SEARCHED = 20
"""Pictures of retrieval, unless somebody says how many."""
TOLD_SECONDS = 10.0
"""After which it is said again how many examples were put to a model."""
HEADLINES: Mapping[str, str] = MappingProxyType(
    {
        "detection": "VG mAP@.5",
        "caption": "CIDEr",
        "vqa": "accuracy",
        "nlvr2": "accuracy",
        "retrieval": "text R@1",
    }
)
"""Task -> the metric that a table shows."""

Runner = Backend | TorchDetector
"""A whole model, or a detector alone, in PyTorch."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """What is to be scored.

    Attributes:
        name: In tables, and of the folder with its results.
        artifact: File; None for the model in PyTorch.
        bytes: Of the artifact; None for PyTorch.
        sha256: Of the artifact, by which records of latencies are found; None for PyTorch.
    """

    name: str
    artifact: Path | None = None
    bytes: int | None = None
    sha256: str | None = None


@dataclass(frozen=True, kw_only=True)
class Score:
    """One candidate on one task.

    Attributes:
        outcome: Metrics.
        kept: What it keeps of the reference's score, example by example; None for the reference.
        measure: What that score of an example is; empty for the reference.
    """

    outcome: Outcome
    kept: Difference | None
    measure: str = ""

    @property
    def headline(self) -> float:
        """The metric that a table shows."""
        return self.outcome.values[HEADLINES[self.outcome.task]]


def possible_tasks(files: DataFiles, reference: Runner) -> list[str]:
    """Return the tasks that data is there for and the model can do."""
    there = {task for task, kinds in NEEDED.items() if set(files.kinds) >= set(kinds)}
    if isinstance(reference, TorchDetector):
        return sorted(there & {"detection"})
    return [task for task in NEEDED if task in there and HEADS[task] in (None, *reference.config.heads)]


@dataclass(frozen=True, kw_only=True)
class Examination:
    """The same examples for everybody who is scored.

    Attributes:
        reference: The model in PyTorch.
        data: Read once for all.
        tasks: Names.
        settings: Of the tasks.
        searched: Pictures of retrieval at most, each of which is compared with the texts of all: a hundred are 50,000
            comparisons.
        folder: Gets NAME/TASK.jsonl.
        threads: Of the artifacts' runtimes; None leaves their default.
        resume: Go on with what is in the folder.
    """

    reference: Runner
    data: TaskData
    tasks: Sequence[str]
    settings: Settings
    folder: Path
    searched: int = SEARCHED
    threads: int | None = None
    resume: bool = False

    def score(self, candidate: Candidate, steps: Steps, note: Callable[[str], None]) -> dict[str, Score]:
        """Score a candidate on all tasks; its detector looks at each picture once for all of them.

        Args:
            candidate: What is scored; the reference first, as the others are held against it.
            steps: Shows which example comes next.
            note: Told what should be known of the pictures.

        Returns:
            Task -> score.

        Raises:
            UserError: See `begin_sitting`.
        """
        with steps.stage(f"open {candidate.name}"):
            backend = self._opened(candidate.artifact)
        scores = {}
        with TemporaryDirectory() as regions:
            pipeline = Pipeline(backend, features=Path(regions), note=note)
            for task in self.tasks:
                with steps.telling(f"{candidate.name}: {task}", every=TOLD_SECONDS) as tell:
                    scores[task] = self._score(task, candidate, pipeline, _counting(tell))
        return scores

    def _opened(self, artifact: Path | None) -> Backend | Detector:
        reference = self.reference
        if artifact is None:
            return reference
        if isinstance(reference, TorchDetector):
            labels = DetectorLabels(tags=reference.tags, attributes=reference.attributes)
            return open_detector(artifact, labels, self.threads)
        return open_backend(artifact, self.threads)

    def _score(
        self, task: str, candidate: Candidate, pipeline: Pipeline, progress: Callable[[int, int], None]
    ) -> Score:
        kept, artifact = results_file(self.folder, candidate.name, task), candidate.artifact
        settings = self.settings
        if task == "retrieval":
            settings = replace(settings, limit=min(self.searched, settings.limit or self.searched))
        sitting = begin_sitting(task, self.data, pipeline, settings, artifact=artifact, kept=kept, resume=self.resume)
        outcome = sitting.finish(progress)
        if artifact is None:
            return Score(outcome=outcome, kept=None)
        compared = compare(results_file(self.folder, PYTORCH, task), kept)
        return Score(outcome=outcome, kept=compared.difference, measure=compared.score)


def _counting(tell: Callable[[str], None]) -> Callable[[int, int], None]:
    return lambda number, of: tell(f"{number:,}/{of:,}")


def results_file(folder: Path, name: str, task: str) -> Path:
    """Return where the results of a candidate are kept."""
    return folder / name.replace(" ", "-") / f"{task}.jsonl"
