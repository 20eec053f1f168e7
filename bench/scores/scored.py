"""Scores of one model or artifact, and what it keeps of another's."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from export.core.formats import FORMATS
from export.core.sidecar import Sidecar
from export.runtime.artifact_backend import open_backend
from export.runtime.artifact_detector import open_detector
from minivlm.datasets.folder import DataFiles
from minivlm.errors import UserError
from minivlm.evaluation.bootstrap import Difference
from minivlm.evaluation.building import HEADS, NEEDED, Settings, TaskData
from minivlm.evaluation.compare import compare
from minivlm.evaluation.run import Outcome
from minivlm.evaluation.sitting import begin_sitting
from minivlm.inference.backend import Backend
from minivlm.inference.detector import Detector, TorchDetector
from minivlm.inference.pipeline import Pipeline
from minivlm.storage.files import is_folder, size_bytes
from minivlm.weights.labels import DetectorLabels

PYTORCH = "pytorch fp32"
"""Name of what all others are held against."""
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

Counting = Callable[[int, int], None]
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
    """

    outcome: Outcome
    kept: Difference | None

    @property
    def headline(self) -> float:
        """The metric that a table shows."""
        return self.outcome.values[HEADLINES[self.outcome.task]]


def candidates(paths: Sequence[Path], reference: Runner) -> list[Candidate]:
    """Return the reference and the artifacts of its weights.

    Args:
        paths: Artifacts, or folders whose artifacts of the model are taken.
        reference: The model in PyTorch.

    Raises:
        UserError: A path holds none, an artifact is of another model or of other weights, or two have one name.
    """
    found = [Candidate(name=PYTORCH)]
    for path in (artifact for given in paths for artifact in _artifacts(given, reference.model)):
        sidecar = Sidecar.read(path)
        if (sidecar.model, sidecar.weights.identity) != (reference.model, reference.origin.identity):
            raise UserError(
                f"{path} holds {sidecar.model}, {sidecar.weights.description}, and is to be held against"
                f" {reference.model}, {reference.origin.description}: export this checkpoint"
            )
        name = f"{sidecar.runtime} {sidecar.precision}"
        if name in [one.name for one in found]:
            raise UserError(f"{path} is the second artifact for {name}: give one of each")
        found.append(Candidate(name=name, artifact=path, bytes=size_bytes(path), sha256=sidecar.sha256))
    return found


def _artifacts(path: Path, model: str) -> list[Path]:
    """Return a file itself; of a folder, the artifacts of a model."""
    targets = [target for target in FORMATS.values() if target.runs_here]
    suffixes = {f".{suffix}" for target in targets for suffix in (target.suffix, target.whole_suffix)}
    if path.suffix in suffixes or not is_folder(path):  # an artifact may be a folder, too
        return [path]
    found = sorted(one for one in path.iterdir() if one.suffix in suffixes and one.name.startswith(f"{model}-"))
    if not found:
        raise UserError(f"{path} holds no artifact of {model}: export one, such as by python export/to_onnx.py")
    return found


def possible_tasks(files: DataFiles, reference: Runner) -> list[str]:
    """Return the tasks that data is there for and the model can do."""
    there = {task for task, kinds in NEEDED.items() if set(files.kinds) >= set(kinds)}
    if isinstance(reference, TorchDetector):
        return sorted(there & {"detection"})
    return [task for task in NEEDED if task in there and HEADS[task] in (None, *reference.config.heads)]


def opened(candidate: Candidate, reference: Runner, threads: int) -> Backend | Detector:
    """Return what runs a candidate."""
    if candidate.artifact is None:
        return reference
    if isinstance(reference, TorchDetector):
        labels = DetectorLabels(tags=reference.tags, attributes=reference.attributes)
        return open_detector(candidate.artifact, labels, threads)
    return open_backend(candidate.artifact, threads)


def score(
    task: str,
    data: TaskData,
    candidate: Candidate,
    pipeline: Pipeline,
    settings: Settings,
    *,
    folder: Path,
    resume: bool,
    progress: Counting,
) -> Score:
    """Score a candidate on a task, and hold it against the reference, which was scored before.

    Args:
        task: Name.
        data: That is read once for all.
        candidate: What is scored.
        pipeline: That runs it.
        settings: Of the task.
        folder: Gets NAME/TASK.jsonl.
        resume: Go on with what is there.
        progress: Told which example comes next.

    Raises:
        UserError: See `begin_sitting`.
    """
    kept = results_file(folder, candidate.name, task)
    sitting = begin_sitting(task, data, pipeline, settings, artifact=candidate.artifact, kept=kept, resume=resume)
    outcome = sitting.finish(progress)
    if candidate.artifact is None:
        return Score(outcome=outcome, kept=None)
    return Score(outcome=outcome, kept=compare(results_file(folder, PYTORCH, task), kept).difference)


def results_file(folder: Path, name: str, task: str) -> Path:
    """Return where the results of a candidate are kept."""
    return folder / name.replace(" ", "-") / f"{task}.jsonl"
