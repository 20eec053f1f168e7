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
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.records.file import read
from bench.records.scores import SCORES, write_scores
from bench.scores.candidates import candidates
from bench.scores.latencies import latencies_of
from bench.scores.recording import score_records
from bench.scores.showing import ScoredRow, retention_picture, show
from bench.session.scoring import add_scoring_flags, chosen_tasks
from export.verify.scores import FLOOR, Examination, Runner, possible_tasks
from minivlm.command_line import number_argument, path_argument, script_parser
from minivlm.console import Steps
from minivlm.datasets.folder import DataFiles, find_data
from minivlm.errors import UserError, run_command
from minivlm.evaluation.building import Settings, TaskData
from minivlm.inference.backend import load_torch_detector
from minivlm.storage.files import check_outputs, replacing, write_text
from minivlm.storage.json_text import json_text

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
    latencies = {} if arguments.records is None else latencies_of(read(arguments.records), reference)
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
        rows.append(ScoredRow(candidate=candidate, scores=scores, latency=latencies.get(candidate.sha256)))
    write_results(rows, reference, outputs[:2])
    data = arguments.data.name
    write_scores(outputs[2], score_records(rows, reference, data=data, folder=arguments.output))
    show(rows, reference, notes, data=data)
    if any(row.least_kept < arguments.floor for row in rows):
        sys.exit(1)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = script_parser(__doc__)
    add = parser.add_argument
    add("--data", type=path_argument, required=True, metavar="DIR", help="folder with the data's files")
    add_scoring_flags(parser)
    add(
        "--artifacts",
        type=path_argument,
        nargs="+",
        metavar="PATH",
        help="files, or folders with artifacts of the model",
    )
    add("--floor", type=number_argument, default=FLOOR, metavar="SHARE", help="least to keep (default: %(default)s)")
    add("--records", type=path_argument, metavar="FILE", help="of bench/run.py, for latencies")
    add("--output", type=path_argument, default=Path("results/accuracy"), metavar="DIR", help="default: %(default)s")
    return parser


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


if __name__ == "__main__":
    run_command(main)
