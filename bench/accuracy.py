"""What artifacts can still do: every task's score, and what each artifact keeps of the model's in PyTorch.

    python bench/accuracy.py --data scenes/test --checkpoint DIR --artifacts artifacts
    python bench/accuracy.py --data scenes/test --checkpoint DIR --artifacts a.onnx b.pte --tasks vqa,nlvr2 --limit 200
    python bench/accuracy.py --data scenes/test --checkpoint DETECTOR --artifacts ...           # of a detector alone
    python bench/accuracy.py ... --records results/records.jsonl    # latencies of bench/run.py beside the scores

Artifacts must be of the checkpoint's weights. Shares are of means over the same examples, with the interval that holds
95 % of 10,000 resamples of the examples. What is said of every example is kept in OUTPUT/NAME/TASK.jsonl, and --resume
goes on with it. OUTPUT gets accuracy.json, accuracy.png and, for bench/report.py and bench/tables.py, scores.jsonl.
Exit code 1: an artifact keeps less than --floor.
"""

import argparse
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.records.file import read
from bench.records.scores import SCORES, ScoreRecord, write_scores
from bench.reporting.cells import wide_console
from bench.scores.candidates import candidates
from bench.scores.means import mean_of_results
from bench.scores.showing import ScoredRow, retention_picture, retention_table
from bench.session.flags import add_threads_flag
from export.verify.scores import FLOOR, HEADLINES, SEARCHED, Examination, Runner, possible_tasks, results_file
from minivlm.command_line import known_argument, list_argument, number_argument, path_argument, positive, script_parser
from minivlm.console import Steps
from minivlm.datasets.folder import DataFiles, find_data
from minivlm.errors import UserError, printable, run_command
from minivlm.evaluation.building import Settings, TaskData
from minivlm.inference.backend import load_torch_detector
from minivlm.storage.files import check_outputs, replacing, size_bytes, write_text
from minivlm.storage.json_text import json_text
from minivlm.weights.checkpoint import weights_file
from minivlm.weights.shipped import checkpoint_argument

RESULT, PICTURE = "accuracy.json", "accuracy.png"


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    arguments = build_parser().parse_args(argv)
    if not 0.0 <= arguments.floor <= 1.0:
        raise UserError(f"--floor {arguments.floor:g}: give a share from 0 to 1")
    files, _ = find_data(arguments.data, DataFiles())
    outputs = [arguments.output / name for name in (RESULT, PICTURE, SCORES)]
    check_outputs(outputs, [getattr(files, kind) for kind in files.kinds])
    steps, notes = Steps(), list[str]()
    with steps.stage("load the checkpoint"):
        reference = load_torch_detector(checkpoint=arguments.checkpoint)
        found = candidates(arguments.artifacts or (), reference)
    tasks = chosen_tasks(arguments.tasks, possible_tasks(files, reference))
    latencies = {} if arguments.records is None else latencies_of(arguments.records)
    examination = Examination(
        reference=reference,
        data=TaskData(files),
        tasks=tasks,
        settings=Settings(limit=arguments.limit),
        folder=arguments.output,
        searched=arguments.searched,
        threads=arguments.threads,
        resume=arguments.resume,
    )
    rows = []
    for candidate in found:
        scores = examination.score(candidate, steps, notes.append)
        known = latencies.get(candidate.sha256 or "")
        rows.append(ScoredRow(candidate=candidate, scores=scores, latency_ms=known))
    write_results(rows, reference, outputs[:2])
    write_scores(outputs[2], score_records(rows, reference, arguments))
    show(rows, reference, notes)
    if any(row.least_kept < arguments.floor for row in rows):
        sys.exit(1)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = script_parser(__doc__)
    add = parser.add_argument
    add("--data", type=path_argument, required=True, metavar="DIR", help="folder with the data's files")
    add(
        "--checkpoint",
        type=checkpoint_argument,
        required=True,
        metavar="DIR",
        help="the model that artifacts are held against",
    )
    add(
        "--artifacts",
        type=path_argument,
        nargs="+",
        metavar="PATH",
        help="files, or folders with artifacts of the model",
    )
    add(
        "--tasks",
        type=list_argument(known_argument("task", HEADLINES)),
        metavar="A,B",
        help=f"of {', '.join(HEADLINES)} (default: all that can be done)",
    )
    add("--limit", type=positive, metavar="N", help="take only the first N examples of each task")
    add(
        "--searched",
        type=positive,
        default=SEARCHED,
        metavar="N",
        help="pictures of retrieval, each compared with the texts of all (default: %(default)s)",
    )
    add("--floor", type=number_argument, default=FLOOR, metavar="SHARE", help="least to keep (default: %(default)s)")
    add_threads_flag(parser)
    add("--records", type=path_argument, metavar="FILE", help="of bench/run.py, for latencies")
    add("--resume", action="store_true", help="go on with what is in --output")
    add("--output", type=path_argument, default=Path("results/accuracy"), metavar="DIR", help="default: %(default)s")
    return parser


def chosen_tasks(asked: Sequence[str] | None, possible: Sequence[str]) -> list[str]:
    """Return the tasks to score.

    Raises:
        UserError: There is none, or one was asked for that cannot be scored.
    """
    for name in asked or ():
        if name not in possible:
            raise UserError(f"the task {name} needs data, or a head of the model, that is not there: leave it out")
    if not possible:
        raise UserError(
            "no task can be scored on this data: give boxes, captions, questions with answers or statements"
        )
    return list(asked or possible)


def latencies_of(records: Path) -> dict[str, float]:
    """Return artifact's hash -> median over its repeats of the medians, in milliseconds."""
    medians: dict[str, list[float]] = {}
    for record in read(records):
        if record.ok and record.artifact is not None:
            medians.setdefault(record.artifact.sha256, []).append(record.median)
    return {digest: statistics.median(found) for digest, found in medians.items()}


def score_records(rows: Sequence[ScoredRow], reference: Runner, arguments: argparse.Namespace) -> list[ScoreRecord]:
    """Return a record for each row and task, of results that lie in the output's folder."""
    weights = size_bytes(weights_file(arguments.checkpoint))
    return [
        ScoreRecord(
            row=row.candidate.name,
            model=reference.model,
            weights=reference.origin.description,
            data=arguments.data.name,
            task=task,
            examples=one.outcome.examples,
            values=dict(one.outcome.values),
            score=mean.value,
            low=mean.low,
            high=mean.high,
            bytes=row.candidate.bytes or weights,
            latency_ms=row.latency_ms,
            kept=None if one.kept is None else one.kept.share,
        )
        for row in rows
        for task, one in row.scores.items()
        for mean in [mean_of_results(results_file(arguments.output, row.candidate.name, task))]
    ]


def write_results(rows: Sequence[ScoredRow], reference: Runner, outputs: Sequence[Path]) -> None:
    """Write the numbers and, where there is something to draw, the picture."""
    result, picture = outputs
    content = {
        "kind": "accuracy",
        "model": reference.model,
        "weights": reference.origin.description,
        "rows": [row.as_json() for row in rows],
    }
    write_text(result, f"{json_text(content)}\n")
    figure = retention_picture(rows)
    if figure is not None:
        with replacing(picture) as partial:
            figure.savefig(partial, format="png", dpi=120, bbox_inches="tight")


def show(rows: Sequence[ScoredRow], reference: Runner, notes: Sequence[str]) -> None:
    """Print the table, and what must be known to trust it."""
    examples = {task: one.outcome.examples for task, one in rows[0].scores.items()}
    counted = ", ".join(f"{task} {count:,}" for task, count in examples.items())
    print(f"{reference.model}, {printable(reference.origin.description)}; examples: {counted}; scores times 100")
    wide_console().print(retention_table(rows))
    for task, one in rows[0].scores.items():
        if one.headline == 0.0:
            print(f"note: {reference.model} itself scores nothing in {task}: there is nothing to keep", file=sys.stderr)
    said = [note for row in rows for one in row.scores.values() for note in one.outcome.notes]
    for note in dict.fromkeys((*said, *notes)):
        print(f"note: {printable(note)}", file=sys.stderr)
    if reference.origin.random:
        print("weights are random: scores mean nothing", file=sys.stderr)


if __name__ == "__main__":
    run_command(main)
