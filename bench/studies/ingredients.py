"""What the ingredients of pre-training add (Table 3): rows, what each is trained on, and how they are told apart."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.records.scores import ScoreRecord
from bench.reporting.score_tables import BASELINE, BLIND, DISTILLED, HIGH
from bench.scores.means import Mean, mean_of, scores_of_results
from bench.studies.commands import run_once
from minivlm.errors import UserError
from minivlm.evaluation.bootstrap import Difference, paired_difference
from minivlm.evaluation.records import read_results
from minivlm.evaluation.scoring import scoring_of
from minivlm.storage.files import exists, size_bytes
from minivlm.training.language.known import TagSource
from minivlm.weights.checkpoint import read_info, weights_file

TASKS = ("caption", "vqa", "nlvr2", "retrieval")


@dataclass(frozen=True, kw_only=True)
class Ingredients:
    """A row.

    Attributes:
        short: Name of its folders.
        tags: Who names what is in the pictures of pre-training.
        more: Whether pre-training has the pictures that a teacher described, too.
        blind: Whether it sees no picture at all.
    """

    short: str
    tags: TagSource = "detector"
    more: bool = False
    blind: bool = False


ROWS: Mapping[str, Ingredients] = {
    BLIND: Ingredients(short="blind", blind=True),
    BASELINE: Ingredients(short="baseline"),
    HIGH: Ingredients(short="h", tags="data"),
    DISTILLED: Ingredients(short="h-dd", tags="data", more=True),
}


@dataclass(frozen=True, kw_only=True)
class Added:
    """What a row's models score in a task.

    Attributes:
        mean: Over the examples, of what all trainings score on average.
        each: Mean of each training, for how much chance there is in training.
        over: What the row adds to the baseline; None of the baseline itself.
    """

    mean: Mean
    each: tuple[float, ...]
    over: Difference | None


def prepare(arguments: argparse.Namespace) -> None:
    """Let the teacher describe its pictures, and find the regions of all.

    Raises:
        UserError: Something is missing.
    """
    output, folders = arguments.output, [*arguments.train, arguments.test]
    if arguments.more is not None:
        folders.append(described(arguments))
        folders[-1].mkdir(parents=True, exist_ok=True)
        if not exists(folders[-1] / "images"):
            (folders[-1] / "images").symlink_to(arguments.more.resolve(), target_is_directory=True)
        command = ["pseudo-label", folders[-1], "--images", folders[-1] / "images", "--checkpoint", arguments.teacher]
        run_once(output / "done/more.json", [*command, "--resume"])
    command = ["train", "features", output / "regions", "--data", *folders, "--checkpoint", arguments.start]
    run_once(output / "done/regions.json", command)


def described(arguments: argparse.Namespace) -> Path:
    """Return the folder with what the teacher said."""
    folder: Path = arguments.output / "more"
    return folder


def train_row(arguments: argparse.Namespace, row: Ingredients, seed: int) -> None:
    """Pre-train, and teach all tasks."""
    sight = ["--blind"] if row.blind else ["--features", arguments.output / "regions"]
    more = [described(arguments)] if row.more else []
    shared = [*sight, "--recipe", arguments.recipe, "--seed", seed, "--cpu", "--resume"]
    shared += [] if arguments.threads is None else ["--threads", arguments.threads]
    shared += [] if arguments.batch is None else ["--batch", arguments.batch]
    first, second = (model_folder(arguments, row, seed, stage) for stage in ("pretrain", "tasks"))
    command = ["train", "pretrain", first, "--data", *arguments.train, *more, "--start", arguments.start, *shared]
    command += [] if arguments.pretrain_steps is None else ["--steps", arguments.pretrain_steps]
    run_once(done(arguments, row, seed, "pretrain"), [*command, *([] if row.blind else ["--tags", row.tags])])
    command = ["train", "tasks", second, "--data", *arguments.train, "--start", first, *shared]
    command += [] if arguments.answers is None else ["--answers", arguments.answers]
    command += [] if arguments.task_steps is None else ["--steps", arguments.task_steps]
    run_once(done(arguments, row, seed, "tasks"), command)


def judge_row(arguments: argparse.Namespace, row: Ingredients, seed: int) -> None:
    """Put all tasks to a row's model."""
    sight = ["--blind"] if row.blind else ["--features", arguments.output / "regions"]
    model = model_folder(arguments, row, seed, "tasks")
    for task in TASKS:
        limit = arguments.searched if task == "retrieval" else arguments.limit
        command = ["evaluate", task, "--data", arguments.test, "--checkpoint", model, *sight, "--resume"]
        command += [] if limit is None else ["--limit", limit]
        kept = results_file(arguments, row, seed, task)
        run_once(done(arguments, row, seed, task), [*command, "--output", kept.parent])


def model_folder(arguments: argparse.Namespace, row: Ingredients, seed: int, stage: str) -> Path:
    """Return where a model of a row is."""
    folder: Path = arguments.output / "models" / f"{row.short}-{seed}-{stage}"
    return folder


def done(arguments: argparse.Namespace, row: Ingredients, seed: int, what: str) -> Path:
    """Return the file that says that something was done for a row."""
    path: Path = arguments.output / "done" / f"{row.short}-{seed}-{what}.json"
    return path


def results_file(arguments: argparse.Namespace, row: Ingredients, seed: int, task: str) -> Path:
    """Return where what a row's model said is kept."""
    path: Path = arguments.output / "results" / f"{row.short}-{seed}" / f"{task}.jsonl"
    return path


def added(scores: Mapping[str, Sequence[Mapping[str, float]]]) -> dict[str, Added]:
    """Hold the rows of a task against the baseline, example by example.

    Args:
        scores: Row -> of each training, example -> score.

    Raises:
        UserError: Rows have not all the same examples.
    """
    examples = sorted(next(iter(scores.values()))[0])
    if any(sorted(one) != examples for each in scores.values() for one in each):
        raise UserError("rows were scored on different examples: name another --output")
    values = {row: np.array([[one[key] for key in examples] for one in each]) for row, each in scores.items()}
    means = {row: found.mean(axis=0).tolist() for row, found in values.items()}
    return {
        row: Added(
            mean=mean_of(means[row]),
            each=tuple(found.mean(axis=1).tolist()),
            over=None if row == BASELINE or BASELINE not in means else paired_difference(means[BASELINE], means[row]),
        )
        for row, found in values.items()
    }


def task_scores(arguments: argparse.Namespace, rows: Sequence[str], task: str) -> dict[str, list[dict[str, float]]]:
    """Return row -> of each training, example -> score."""
    return {
        row: [scores_of_results(results_file(arguments, ROWS[row], seed, task)) for seed in range(arguments.seeds)]
        for row in rows
    }


def records_of(arguments: argparse.Namespace, found: Mapping[str, Mapping[str, Added]]) -> list[ScoreRecord]:
    """Return a record for each row and task.

    Args:
        arguments: Of the command line.
        found: Task -> row -> what it scores.
    """
    records = []
    for task, rows in found.items():
        for row, one in rows.items():
            said = [results_file(arguments, ROWS[row], seed, task) for seed in range(arguments.seeds)]
            metrics = [scoring_of(task).metrics(_answered(path)).values for path in said]
            folder = model_folder(arguments, ROWS[row], 0, "tasks")
            info = read_info(folder)
            records.append(
                ScoreRecord(
                    row=row,
                    model=info.model,
                    weights=info.origin,
                    data=arguments.test.name,
                    task=task,
                    examples=one.mean.examples,
                    values={name: float(np.mean([each[name] for each in metrics])) for name in metrics[0]},
                    score=one.mean.value,
                    low=one.mean.low,
                    high=one.mean.high,
                    seeds=arguments.seeds,
                    bytes=size_bytes(weights_file(folder)),
                )
            )
    return records


def _answered(path: Path) -> list[dict[str, object]]:
    return [record for record in read_results(path).records.values() if "error" not in record]
