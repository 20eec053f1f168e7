"""The table of what artifacts keep, from a checkpoint to records: exports, scores and times each of them.

    python bench/retention.py --data scenes/test scenes/unseen-style --checkpoint sample --calibration scenes/val/images
    python bench/retention.py --data scenes/test --checkpoint sample --runtimes onnx,litert --precision int8 --limit 300
    python bench/retention.py ... --resume                    # what an interrupted one has not done; further formats
    cp results/retention/scores.jsonl docs/records/retention.jsonl
    python bench/performance_page.py                          # puts them into the pages

Shares are those of bench/accuracy.py. Everything is kept in OUTPUT the moment it exists: artifacts/, which are made
where there is none of the weights, DATA/NAME/TASK.jsonl with what is said of every example, latency/records.jsonl of
bench/run.py, for which all artifacts take turns, and scores.jsonl for bench/report.py and pages. Core ML's packages are
scored by the reference executor where there is no Core ML, which takes minutes for what others do in seconds, and have
no latency there. Exit code 1: an artifact could not be made, scored or timed; the others are there.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from bench.records.orders import TURNS
from bench.records.record import Record
from bench.records.runtimes import PYTORCH as PYTORCH_RUNTIME
from bench.records.scores import SCORES, write_scores
from bench.scores.latencies import latencies_of
from bench.scores.showing import ScoredRow, show
from bench.session.checks import check_plan
from bench.session.flags import plan_with
from bench.session.scoring import add_scoring_flags, chosen_tasks
from bench.studies.retention import Study, Wanted, measure, wanted_artifacts
from export.core.flags import add_calibration_flag, add_precision_flag, add_runtimes_flag, check_calibration
from export.core.format import PRECISIONS
from export.core.formats import FORMATS
from export.core.weights import Weights
from export.verify.scores import PYTORCH, Candidate, Examination, possible_tasks
from minivlm.command_line import integer_argument, path_argument, script_parser
from minivlm.console import Steps
from minivlm.datasets.folder import DataFiles, find_data
from minivlm.errors import UserError, printable, run_command
from minivlm.evaluation.building import Settings, TaskData
from minivlm.inference.backend import TorchBackend, load_torch_detector
from minivlm.inference.detector import TorchDetector
from minivlm.storage.files import check_outputs

ARTIFACTS, LATENCY = "artifacts", "latency"


@dataclass(frozen=True)
class Filled:
    """What came of a table.

    Attributes:
        rows: By the data's name; the reference's first.
        artifacts: Those that were scored.
        failed: What failed -> why.
    """

    rows: list[dict[str, ScoredRow]]
    artifacts: dict[Path, Wanted] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    arguments = build_parser().parse_args(argv)
    check_calibration(arguments.calibration, arguments.precision)
    files, result = data_files(arguments.data), arguments.output / SCORES
    check_outputs([result], [getattr(one, kind) for one in files.values() for kind in one.kinds])
    steps, notes = Steps(), list[str]()
    with steps.stage("load the checkpoint"):
        reference = load_torch_detector(checkpoint=arguments.checkpoint)
    study = study_of(arguments, reference, files, steps, notes)
    check_plan(study.plan, arguments.output / LATENCY)
    wanted = wanted_artifacts(reference.model, arguments.runtimes, study.plan.precisions, steps.say)
    filled = fill(study, wanted, result)
    if not arguments.no_latency:
        records = measure(study, filled.artifacts, arguments.output / LATENCY, resume=arguments.resume)
        filled = with_latencies(filled, records, study)
        with steps.stage("write the records"):
            write_scores(result, [record for rows in filled.rows for record in study.records(rows)])
    for data in files:
        show([row[data] for row in filled.rows], reference, (), data=data)
    for note in dict.fromkeys(notes):
        print(f"note: {printable(note)}", file=sys.stderr)
    print(f"wrote {result}")
    for name, reason in filled.failed.items():
        print(f"failed: {name}: {printable(reason)}", file=sys.stderr)
    if filled.failed:
        sys.exit(1)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = script_parser(__doc__)
    add = parser.add_argument
    here = [name for name, target in FORMATS.items() if target.runs_here]
    add("--data", type=path_argument, nargs="+", required=True, metavar="DIR", help="folders with the data's files")
    add_scoring_flags(parser)
    add_runtimes_flag(parser, list(FORMATS), "--formats", default=here)
    add_precision_flag(parser, PRECISIONS)
    add_calibration_flag(parser)
    add("--no-latency", action="store_true", help="time nothing")
    add("--repeats", type=integer_argument, default=3, metavar="N", help="rounds of timing (default: %(default)s)")
    add("--profile", default="quick", help="of bench/run.py (default: %(default)s)")
    add("--output", type=path_argument, default=Path("results/retention"), metavar="DIR", help="default: %(default)s")
    return parser


def data_files(folders: Sequence[Path]) -> dict[str, DataFiles]:
    """Return a data set's name, that of its folder, -> its files.

    Raises:
        UserError: A folder holds no data, or two have one name.
    """
    found: dict[str, DataFiles] = {}
    for folder in folders:
        name = folder.resolve().name
        if name in found:
            raise UserError(
                f"--data {folder} is the second folder called {name}: the table goes by names, give it another"
            )
        found[name], _ = find_data(folder, DataFiles())
    return found


def study_of(
    arguments: argparse.Namespace,
    reference: TorchBackend | TorchDetector,
    files: Mapping[str, DataFiles],
    steps: Steps,
    notes: list[str],
) -> Study:
    """Return what a command line asks of every artifact.

    Raises:
        UserError: A task cannot be done.
    """
    examinations = {
        name: Examination(
            reference=reference,
            data=TaskData(one),
            tasks=chosen_tasks(arguments.tasks, possible_tasks(one, reference)),
            settings=Settings(limit=arguments.limit),
            folder=arguments.output / name,
            searched=arguments.searched,
            threads=arguments.threads,
            resume=arguments.resume,
        )
        for name, one in files.items()
    }
    plan = plan_with(
        checkpoint=arguments.checkpoint,
        runtimes=[PYTORCH_RUNTIME],
        precision=arguments.precision,
        threads=[arguments.threads],
        repeats=arguments.repeats,
        profile=arguments.profile,
        order=TURNS,
        artifacts=arguments.output / ARTIFACTS,
    )
    return Study(
        reference=reference,
        weights=Weights(arguments.checkpoint),
        calibration=arguments.calibration,
        examinations=examinations,
        plan=plan,
        steps=steps,
        note=notes.append,
    )


def fill(study: Study, wanted: Sequence[Wanted], result: Path) -> Filled:
    """Make and score the reference and all artifacts, and write the records of what is there after each.

    Raises:
        UserError: The reference cannot be scored, or records cannot be written; of artifacts this is noted.
    """
    filled = Filled(rows=[study.score(Candidate(name=PYTORCH))])
    records = study.records(filled.rows[0])
    write_scores(result, records)
    for number, one in enumerate(wanted, start=1):
        study.steps.say(f"[{number}/{len(wanted)}] {one}")
        try:
            candidate = study.candidate(one)
            row = study.score(candidate)
            records += study.records(row)
        except Exception as error:  # runtimes' exceptions share no other base, and the other rows are still to come
            reason = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
            filled.failed[str(one)] = reason
            study.steps.say(f"failed: {one}: {printable(reason)}")
        else:
            assert candidate.artifact is not None
            filled.rows.append(row)
            filled.artifacts[candidate.artifact] = one
            write_scores(result, records)
    return filled


def with_latencies(filled: Filled, measured: Sequence[Record], study: Study) -> Filled:
    """Return the same table with what was measured, and with what could not be."""
    known = latencies_of(measured, study.reference)
    rows = [
        {data: replace(row, latency=known.get(row.candidate.sha256)) for data, row in rows.items()}
        for rows in filled.rows
    ]
    failed = {f"timing {one.case}": one.error.reason for one in measured if one.error is not None}
    return replace(filled, rows=rows, failed=filled.failed | failed)


if __name__ == "__main__":
    run_command(main)
