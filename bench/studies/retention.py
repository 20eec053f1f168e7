"""What artifacts keep, from a checkpoint to records: each artifact is made, scored on every data set, and timed."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from bench.devices.chosen import ChosenHere
from bench.measure.plan import Plan, request_of
from bench.records.record import Record
from bench.records.runtimes import PYTORCH
from bench.records.scores import ScoreRecord
from bench.scores.candidates import candidates
from bench.scores.recording import score_records
from bench.scores.showing import ScoredRow
from bench.session.checks import check_plan
from bench.session.session import PLAN, Session, alone_in
from export.core.formats import FORMATS, check_precision
from export.core.identity import find_artifact
from export.core.weights import Weights
from export.flow.making import make
from export.verify.scores import Candidate, Examination
from minivlm.console import Steps
from minivlm.errors import UserError
from minivlm.inference.backend import TorchBackend
from minivlm.inference.detector import TorchDetector
from minivlm.storage.files import exists


@dataclass(frozen=True)
class Wanted:
    """An artifact that the table is to have.

    Attributes:
        runtime: Of its format.
        precision: Such as "int8".
    """

    runtime: str
    precision: str

    def __str__(self) -> str:
        return f"{self.runtime} {self.precision}"


def wanted_artifacts(
    model: str, runtimes: Sequence[str], precisions: Sequence[str], say: Callable[[str], None]
) -> list[Wanted]:
    """Return what a model's table is to have, format by format.

    Args:
        model: Name.
        runtimes: Of formats.
        precisions: Of each.
        say: Told which of them no artifact can be, and why.

    Raises:
        UserError: None can be.
    """
    found = []
    for wanted in (Wanted(runtime, precision) for runtime in runtimes for precision in precisions):
        try:
            check_precision(FORMATS[wanted.runtime], model, wanted.precision)
        except UserError as error:
            say(f"left out: {wanted}: {error}")
        else:
            found.append(wanted)
    if not found:
        raise UserError(f"no format of {', '.join(runtimes)} holds {model} in {', '.join(precisions)}: name others")
    return found


@dataclass(frozen=True, kw_only=True)
class Study:
    """What all artifacts have in common.

    Attributes:
        reference: The model in PyTorch.
        weights: The same, for processes that load it.
        calibration: Folder of photos that ranges are measured on; None takes one that is there.
        examinations: By the data's name.
        plan: How latencies are measured; it has the folder of the artifacts.
        steps: Shows what is done.
        note: Told what should be known of the pictures.
    """

    reference: TorchBackend | TorchDetector
    weights: Weights
    calibration: Path | None
    examinations: Mapping[str, Examination]
    plan: Plan
    steps: Steps
    note: Callable[[str], None]

    def candidate(self, wanted: Wanted) -> Candidate:
        """Return an artifact of the weights: the one that is there, or else one that is exported now.

        Raises:
            UserError: It cannot be made.
        """
        model, runtime, precision = self.reference.model, wanted.runtime, wanted.precision
        path = find_artifact(request_of(self.plan, model, runtime, precision))
        if not exists(path):
            with self.steps.step(f"export {wanted}"):
                made = make(runtime, model, precision, self.plan.artifacts, self.weights, self.calibration)
            if made.sidecar is None:
                raise UserError(f"export: {made.error}")
            path = made.artifact
        _, found = candidates([path], self.reference)
        return found

    def score(self, candidate: Candidate) -> dict[str, ScoredRow]:
        """Score a candidate, the reference before any artifact.

        Returns:
            Name of the data -> row.

        Raises:
            UserError: See `Examination.score`.
        """
        rows = {}
        for data, examination in self.examinations.items():
            self.steps.say(f"  {candidate.name} on {data}")
            scores = examination.score(candidate, self.steps, self.note)
            rows[data] = ScoredRow(candidate=candidate, scores=scores)
        return rows

    def records(self, rows: Mapping[str, ScoredRow]) -> list[ScoreRecord]:
        """Return what is recorded of one candidate's rows, see `score`."""
        return [
            record
            for data, row in rows.items()
            for record in score_records([row], self.reference, data=data, folder=self.examinations[data].folder)
        ]


def measure(study: Study, artifacts: Mapping[Path, Wanted], folder: Path, *, resume: bool) -> list[Record]:
    """Return what PyTorch and artifacts take, measured as bench/run.py does.

    Args:
        study: With the plan.
        artifacts: Those that are there. What only a stand-in for its runtime runs here has no latency.
        folder: For the records.
        resume: Go on with the run that is there, if it is of the same artifacts.

    Raises:
        UserError: The folder cannot be written, or another benchmark is at work there.
    """
    timed = {path: wanted for path, wanted in artifacts.items() if FORMATS[wanted.runtime].runs_here}
    runtimes = list(dict.fromkeys(wanted.runtime for wanted in timed.values()))
    precisions = list(dict.fromkeys(["fp32", *(wanted.precision for wanted in timed.values())]))
    plan = replace(study.plan, runtimes=[PYTORCH, *runtimes], precisions=precisions)
    check_plan(plan, folder)
    with alone_in(folder):
        session = _session(folder, plan, resume)
        session.begin()
        session.measure(ChosenHere(plan, study.steps, timed.keys()), plan.repeats, study.steps)
        return session.records()


def _session(folder: Path, plan: Plan, resume: bool) -> Session:
    """Return the last run where it is to go on and measures the same, or else a new one: scores take longer."""
    if resume and exists(folder / PLAN):
        with suppress(UserError):  # another version's
            last = Session.last(folder)
            if last.plan == plan:
                return last
    return Session.new(folder, plan)
