"""The subcommands `minivlm evaluate TASK` and `minivlm evaluate compare`."""

import argparse
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields, replace
from types import MappingProxyType
from typing import Any

from minivlm.cli.check_commands import add_file_flags, given_files
from minivlm.cli.commands import backend_of
from minivlm.cli.model_flags import add_model_flags
from minivlm.cli.report import note_random
from minivlm.cli.sight_flags import add_sight, boxes_to_guess_from, guessed_attributes, sight_of, store_of
from minivlm.command_line import name_argument, path_argument, positive, seed
from minivlm.console import Steps
from minivlm.datasets.folder import find_data
from minivlm.datasets.report import Report
from minivlm.errors import UserError, printable
from minivlm.evaluation.building import NEEDED, Settings, TaskData
from minivlm.evaluation.compare import compare
from minivlm.evaluation.run import Outcome
from minivlm.evaluation.sight import sight_notes
from minivlm.evaluation.sitting import begin_sitting
from minivlm.inference.pipeline import Pipeline
from minivlm.storage.files import check_outputs, write_text
from minivlm.storage.json_text import json_text

MakeParser = Callable[..., argparse.ArgumentParser]

TASKS: Mapping[str, str] = MappingProxyType(
    {
        "detection": "boxes, their names and attributes: mAP as on Visual Genome and COCO, recall",
        "caption": "sentences: BLEU-4, CIDEr, METEOR and SPICE where Java is",
        "vqa": "answers: accuracy over ten people's answers",
        "nlvr2": "verdicts on statements about two pictures: accuracy, consistency",
        "retrieval": "pictures for texts and texts for pictures: recall at 1, 5, 10",
    }
)


def add_evaluate(subparsers: Any, command: MakeParser) -> None:
    """Add the subcommand.

    Args:
        subparsers: Of `minivlm`.
        command: Makes a parser from subparsers, a name, what to run, a summary and an example.
    """
    parser = subparsers.add_parser(
        "evaluate", help="score a model on data, or compare two results", description="Score a model on data."
    )
    tasks = parser.add_subparsers(dest="task", metavar="TASK", required=True)
    for name, summary in TASKS.items():
        example = f"minivlm evaluate {name} --data my-data --checkpoint my-checkpoint --output results"
        _add_task(command(tasks, name, run_task, summary, example), name)
    one = command(
        tasks,
        "compare",
        run_compare,
        "tell whether one of two results is better, by a paired bootstrap over their examples",
        "minivlm evaluate compare fp32/vqa.jsonl int8/vqa.jsonl",
    )
    one.add_argument("first", type=path_argument, metavar="A.jsonl", help="of evaluate TASK --output DIR")
    one.add_argument("second", type=path_argument, metavar="B.jsonl", help="of the same task and data")
    one.add_argument(
        "--measure", type=name_argument, metavar="NAME", help="of detection: names (default) or attributes"
    )
    one.add_argument("--seed", type=seed, default=0, metavar="N", help="of the resampling (default: %(default)s)")
    one.add_argument("--json", type=path_argument, metavar="FILE", help="write the result there, too")


def _add_task(parser: argparse.ArgumentParser, name: str) -> None:
    parser.add_argument("--data", type=path_argument, metavar="DIR", help="folder with the data's files")
    add_file_flags(parser, NEEDED[name])
    add_model_flags(parser)
    add_sight(parser, name)
    parser.add_argument("--limit", type=positive, metavar="N", help="take only the first N examples (or pictures)")
    parser.add_argument("--json", type=path_argument, metavar="FILE", help="write the result there, too")
    parser.add_argument(
        "--output", type=path_argument, metavar="DIR", help=f"keep what is said of every example, in {name}.jsonl"
    )
    parser.add_argument("--resume", action="store_true", help="go on with what is in --output")
    if name in ("caption", "retrieval"):
        parser.add_argument(
            "--split", type=name_argument, default="test", metavar="NAME", help="where there are (default: %(default)s)"
        )
    if name == "caption":
        parser.add_argument("--beams", type=positive, default=1, metavar="K", help="hypotheses (default: %(default)s)")
    if name == "detection":
        parser.add_argument("--proposals", action="store_true", help="score the first stage, too (PyTorch only)")
        parser.add_argument(
            "--all-names", action="store_true", help="score boxes under every name, too, as papers do (PyTorch only)"
        )


def run_task(arguments: argparse.Namespace) -> None:
    """Score a model, print the result, and keep what was asked for."""
    if arguments.resume and arguments.output is None:
        raise UserError("--resume goes on with what is in a folder: name it with --output DIR")
    kept = None if arguments.output is None else arguments.output / f"{arguments.task}.jsonl"
    outputs = [path for path in (arguments.json, kept and kept.with_suffix(".json")) if path is not None]
    steps, notes = Steps(), list[str]()
    with steps.stage("find the data"):
        files, _ = find_data(arguments.data, given_files(arguments))
    inputs = [getattr(files, kind) for kind in files.kinds]
    check_outputs(outputs, inputs)
    with steps.stage("load"):
        pipeline = Pipeline(backend_of(arguments), features=store_of(arguments), note=notes.append)
        usual = boxes_to_guess_from(arguments)
        sight = sight_of(arguments, pipeline, usual)
        sitting = begin_sitting(
            arguments.task,
            TaskData(files),
            pipeline,
            _settings(arguments),
            sight=sight,
            artifact=arguments.artifact,
            kept=kept,
            resume=arguments.resume,
        )
    with steps.counting(arguments.task, every=100) as progress:
        outcome = sitting.finish(progress)
    guessed = guessed_attributes(usual, sitting.task, arguments.limit)
    outcome = replace(outcome, values={**outcome.values, **guessed})
    notes += sight_notes(pipeline, sight)
    fields = {"sight": sight.name, **_fields(arguments, pipeline, sitting.report, outcome)}
    for path in outputs:
        write_text(path, f"{json_text(fields)}\n")
    _show(pipeline, sitting.report, outcome, notes)


def run_compare(arguments: argparse.Namespace) -> None:
    """Compare two results, and print the interval of their difference."""
    if arguments.json is not None:
        check_outputs([arguments.json], [arguments.first, arguments.second])
    found = compare(arguments.first, arguments.second, measure=arguments.measure, seed=arguments.seed)
    difference = found.difference
    if arguments.json is not None:
        write_text(arguments.json, f"{json_text({**asdict(found), 'verdict': difference.verdict})}\n")
    print(f"{found.task}, {found.score}, {difference.examples:,} examples, times 100")
    for path, model, mean in zip(
        (arguments.first, arguments.second), found.models, (difference.first, difference.second), strict=True
    ):
        print(f"{100 * mean:8.2f}  {printable(str(path))} ({printable(model)})")
    interval = f"95 % of resamples: {100 * difference.low:+.2f} to {100 * difference.high:+.2f}"
    print(f"{100 * difference.mean:+8.2f}  {interval}: {difference.verdict}")
    _print_notes(found.notes)


def _settings(arguments: argparse.Namespace) -> Settings:
    told = (field.name for field in fields(Settings) if field.name in arguments)
    return Settings(**{name: getattr(arguments, name) for name in told})


def _fields(arguments: argparse.Namespace, pipeline: Pipeline, report: Report, outcome: Outcome) -> dict[str, Any]:
    return {
        "command": f"evaluate {arguments.task}",
        "model": pipeline.backend.model,
        "artifact": None if arguments.artifact is None else arguments.artifact.name,
        "weights": asdict(pipeline.backend.origin),
        "data": report.fields,
        **asdict(outcome),
    }


def _show(pipeline: Pipeline, report: Report, outcome: Outcome, notes: list[str]) -> None:
    print("\n".join(report.lines))
    print(f"{outcome.task}: {outcome.examples:,} examples, all numbers times 100")
    for name, value in outcome.values.items():
        ends = [f"{100 * end:.2f}" for end in outcome.intervals.get(name, ())]
        interval = f" (95 % of resamples: {' to '.join(ends)})" if ends else ""
        print(f"{100 * value:8.2f}  {name}{interval}")
    for finding in outcome.findings:
        print(f"  {finding.line}")
    sys.stdout.flush()
    note_random(pipeline.backend.origin)
    _print_notes((*outcome.notes, *notes))


def _print_notes(notes: tuple[str, ...]) -> None:
    for note in notes:
        print(f"note: {printable(note)}", file=sys.stderr)
