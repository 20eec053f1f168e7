"""The verification that an artifact still does its tasks: scored on the same examples as its model in PyTorch."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from export.core.job import Job
from export.core.request import ExportRequest
from export.core.task_proof import TaskProof, TaskShare
from export.verify.scores import FLOOR, HEADLINES, PYTORCH, Candidate, Examination, Score, possible_tasks, results_file
from minivlm.console import Steps
from minivlm.datasets.folder import DataFiles, find_data
from minivlm.errors import UserError, printable
from minivlm.evaluation.building import Settings, TaskData
from minivlm.evaluation.records import read_results
from minivlm.inference.backend import load_torch_detector


@dataclass(frozen=True, kw_only=True)
class Examiner:
    """Knows what the model scores, and holds an artifact against that.

    Attributes:
        data: Name of the data.
        examination: The tasks.
        reference: Task -> the model's score.
        steps: Shows what is done.
    """

    data: str
    examination: Examination
    reference: Mapping[str, Score]
    steps: Steps

    def examine(self, artifact: Path, name: str) -> TaskProof:
        """Score an artifact, with its sidecar and labels beside it, as whoever opens it finds it.

        Args:
            artifact: That has passed its numerical verification.
            name: Of it, as progress shows it.

        Raises:
            UserError: It keeps too little of a task, or the artifact cannot be run on the data.
        """
        self.steps.say("  scoring the artifact on the same")
        scores = self.examination.score(Candidate(name=name, artifact=artifact), self.steps, self.steps.say)
        proof = TaskProof(data=self.data, floor=FLOOR, tasks=[self._share(task, scores[task]) for task in scores])
        if proof.failed:
            raise UserError(
                f"the artifact of {self.examination.reference.model} keeps less than {FLOOR:.0%} of what the model"
                f" scores on {printable(self.data)}, and was not kept: {printable('; '.join(map(str, proof.failed)))}:"
                " calibrate on pictures like these, keep layers in float by --keep-float, or judge by more examples"
                " by --evaluate-limit"
            )
        return proof

    def _share(self, task: str, score: Score) -> TaskShare:
        kept, whole = score.kept, self.reference[task].headline
        assert kept is not None  # of the model itself nothing is kept
        return TaskShare(
            task=task,
            metric=HEADLINES[task],
            examples=score.outcome.examples,
            data_sha256=read_results(results_file(self.examination.folder, PYTORCH, task)).header["data"],
            pytorch=whole,
            artifact=score.headline,
            share=score.headline / whole if whole else None,
            measure=score.measure,
            paired_share=kept.share,
            low=kept.low_share,
            high=kept.high_share,
        )


@contextmanager
def examiner(job: Job, steps: Steps) -> Iterator[Examiner | None]:
    """Give what examines the artifact of a job, once the model itself was scored; None where nobody asked for it.

    The model comes first, and before any conversion: data that cannot be scored is told within seconds.

    Raises:
        UserError: No task can be scored on the data, the model scores nothing in any, or the data is not what it
            should be.
    """
    request = job.request
    if request.evaluate is None:
        yield None
        return
    with TemporaryDirectory() as results:
        examination = examination_of(request, request.evaluate, job.model.name, Path(results))
        steps.say(f"  scoring the model on {printable(request.evaluate.name)}: {', '.join(examination.tasks)}")
        reference = examination.score(Candidate(name=PYTORCH), steps, steps.say)
        if not any(score.headline for score in reference.values()):
            raise UserError(
                f"--evaluate {request.evaluate}: {job.model.name} itself scores nothing in {', '.join(reference)}, and"
                " there is nothing to keep: give data like what it was trained on"
            )
        yield Examiner(data=request.evaluate.name, examination=examination, reference=reference, steps=steps)


def examination_of(request: ExportRequest, folder: Path, model: str, results: Path) -> Examination:
    """Return the tasks that a model does on a folder of data.

    Args:
        request: Which model, and how many examples.
        folder: The data.
        model: Its name, for people.
        results: Folder for what is said of every example.

    Raises:
        UserError: The model can do no task with this data.
    """
    files, _ = find_data(folder, DataFiles())
    # Loaded anew: a conversion may change the module that it converts.
    reference = load_torch_detector(request.model, checkpoint=request.checkpoint)
    tasks = possible_tasks(files, reference)
    if not tasks:
        there = ", ".join(files.kinds) or "pictures only"
        raise UserError(
            f"--evaluate {folder} has {there}, and {model} can do no task with that: give boxes, captions,"
            " questions with answers or statements"
        )
    settings = Settings(limit=request.evaluate_limit)
    return Examination(reference=reference, data=TaskData(files), tasks=tasks, settings=settings, folder=results)
