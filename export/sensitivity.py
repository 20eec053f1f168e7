"""Find out what rounding a block of a model costs and what it gains, for a table of rules that is found, not guessed.

    python export/sensitivity.py --format litert --model tee-0
    python export/sensitivity.py --format onnx --checkpoint sample --model tee-sample --evaluate scenes/val
    python export/sensitivity.py --format executorch --checkpoint DIR --precision int4 --threads 2

Each block is rounded alone, then one after another, the most harmless first; every trial is exported, compared with
PyTorch, timed turn by turn with the float artifact and, with --evaluate, scored on the data's tasks: no more blocks are
added then once a score falls below 97 %. A star marks what no other trial beats in scores, decibels, time and bytes at
once.
OUTPUT gets MODEL-FORMAT-PRECISION-sensitivity.json.
"""

import argparse
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table

from export.core.format import INTEGERS
from export.core.formats import FORMATS, exporter_of
from export.core.job import prepare, report_calibration
from export.core.request import ExportRequest, add_request_flags, read_request
from export.core.sidecar import tool_versions
from export.flow.examining import examination_of
from export.flow.sensitivity import Study
from export.flow.trials import ENDING, Findings, Scoring, Trial, rows
from export.verify.scores import FLOOR, PYTORCH, Candidate
from minivlm.command_line import integer_argument, known_argument, positive, script_parser
from minivlm.console import Steps
from minivlm.errors import UserError, run_command
from minivlm.storage.files import check_output

TURNS = 10
OUTPUT = Path("results/sensitivity")


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = script_parser(__doc__)
    add = parser.add_argument
    add("--format", type=known_argument("format", FORMATS), required=True, help=f"one of {', '.join(FORMATS)}")
    add_request_flags(parser)
    add("--turns", type=integer_argument, default=TURNS, metavar="N", help="each one's time is taken in (default: 10)")
    add("--threads", type=positive, default=1, metavar="N", help="of the runtime (default: %(default)s)")
    add("--resume", action="store_true", help="keep what OUTPUT has of these trials, and make only what is missing")
    parser.set_defaults(precision="int8", output=OUTPUT)
    arguments = parser.parse_args(argv)
    if arguments.precision not in INTEGERS:
        raise UserError(f"--precision {arguments.precision} rounds no block by rules: choose {' or '.join(INTEGERS)}")
    if arguments.turns < 2:
        raise UserError(f"--turns {arguments.turns}: give at least 2, of which a spread can be told")
    request = read_request(arguments, FORMATS[arguments.format])
    trials = study(request, arguments, argv)
    wide = None if sys.stdout.isatty() else 200
    Console(highlight=False, width=wide).print(table(trials))


def study(request: ExportRequest, arguments: argparse.Namespace, argv: Sequence[str] | None) -> list[Trial]:
    """Make and judge all trials, and write what was found after each, from the table's on.

    Raises:
        UserError: The model cannot be exported or scored, or what there is to go on with is of another study.
    """
    exporter, steps = exporter_of(FORMATS[request.runtime]), Steps()
    with steps.stage("load the model"):
        job = prepare(request, exporter.rules[request.precision], steps.say)
    report_calibration(job.recipe.calibration, steps)
    result = request.output / f"{job.model.name}-{request.runtime}-{request.precision}{ENDING}"
    check_output(result, [path for path in (request.photo, request.checkpoint) if path is not None])
    trials, judge, scoring = [], None, None
    with TemporaryDirectory() as folder:
        work = Path(folder)
        if request.evaluate is not None:
            judge = examination_of(request, request.evaluate, job.model.name, work / "results")
            reference = judge.score(Candidate(name=PYTORCH), steps, steps.say)
            examples = {task: score.outcome.examples for task, score in reference.items()}
            scoring = Scoring(data=request.evaluate.name, examples=examples, floor=FLOOR)
        made = Study(
            job=job,
            exporter=exporter,
            folder=work,
            turns=arguments.turns,
            threads=arguments.threads,
            steps=steps,
            examination=judge,
        )
        given = (word for word in (sys.argv[1:] if argv is None else argv) if word != "--resume")
        command = shlex.join(["python", "export/sensitivity.py", *given])
        facts = findings(made, command, scoring)
        if arguments.resume and result.exists():
            made = replace(made, known=Findings.read(result).known_to(facts, result))
        for number, trial in enumerate(made.run(), start=1):
            trials.append(trial)
            steps.say(f"{number}. {said(trial)}")
            if number > 1:
                replace(facts, trials=[*trials, *yet_to_come(made.known, trials)]).write(result)
    replace(facts, trials=trials).write(result)
    steps.say(f"wrote {result}")
    return trials


def yet_to_come(known: Mapping[str, Trial], trials: Sequence[Trial]) -> list[Trial]:
    """Return what is known from before and not among the trials, so that nothing is lost if a study ends early."""
    names = {trial.name for trial in trials}
    return [trial for name, trial in known.items() if name not in names]


def findings(study: Study, command: str, scoring: Scoring | None) -> Findings:
    """Return what is kept of a study but its trials."""
    job, calibration = study.job, study.job.recipe.calibration
    return Findings(
        command=command,
        model=job.model.name,
        weights=job.model.origin.description,
        runtime=job.request.runtime,
        precision=job.recipe.precision,
        threads=study.threads,
        turns=study.turns,
        rules=tuple(map(str, job.recipe.rules)),
        calibration_photos=0 if calibration is None else len(calibration.photos),
        scoring=scoring,
        versions=tool_versions(*study.exporter.format.packages),
        trials=(),
    )


def said(trial: Trial) -> str:
    """Return a trial in a line."""
    speed = "" if trial.speed is None else f", {trial.speed.median:.2f} times as fast as float"
    shares = "".join(f", {task} {share:.1%}" for task, share in trial.shares.items())
    return f"{trial.name}: {trial.decibels:.1f} dB, {trial.bytes / 1e6:.1f} MB{speed}{shares}"


def table(trials: Sequence[Trial]) -> Table:
    """Return a line for each trial."""
    lines = rows(trials)
    shown = Table(*lines[0], box=None)
    for line in lines:
        shown.add_row(*line.values())
    return shown


if __name__ == "__main__":
    run_command(main)
