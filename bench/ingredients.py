r"""What the ingredients of pre-training add, as the paper's Table 3 asks: the same model trained with and without them.

    python bench/ingredients.py --train scenes/train --test scenes/test --start my-start \
        --answers scenes/train/answers.txt --more photos --teacher my-teacher --seeds 3
    python bench/ingredients.py ... --pretrain-steps 20 --task-steps 20 --limit 20 --searched 10    # a short look

Rows: "no picture" (texts alone), "baseline" (tags of the model's own detector), "+ H" (tags of the data's boxes.json)
and, with --more and --teacher, "+ H + DD" (in pre-training also the pictures of --more, with the teacher's captions and
tags). Each is pre-trained and taught all tasks on --train once a seed, by one recipe, and scored on --test. What was
done is not done again, so that the same command goes on after an interruption. OUTPUT gets scores.jsonl, from which
bench/tables.py makes Tables 3, 6, 7 and 8 and bench/report.py its page.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.table import Table

from bench.records.media import for_terminal
from bench.records.scores import SCORES, write_scores
from bench.reporting.cells import wide_console
from bench.reporting.score_tables import DISTILLED
from bench.studies.ingredients import ROWS, TASKS, Added, added, judge_row, prepare, records_of, task_scores, train_row
from minivlm.command_line import known_argument, path_argument, positive, script_parser, whole_argument
from minivlm.console import Steps
from minivlm.errors import UserError, run_command
from minivlm.evaluation.scoring import scoring_of
from minivlm.storage.files import check_outputs
from minivlm.training.language.recipes import RECIPES


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    arguments = build_parser().parse_args(argv)
    if (arguments.more is None) != (arguments.teacher is None):
        raise UserError("--more and --teacher go together: give both, or none and leave data distillation out")
    rows = [row for row in ROWS if row != DISTILLED or arguments.more is not None]
    result = arguments.output / SCORES
    check_outputs([result])
    prepare(arguments)
    for seed in range(arguments.seeds):  # all rows of a seed before the next: what is there can be compared early
        for row in rows:
            train_row(arguments, ROWS[row], seed)
            judge_row(arguments, ROWS[row], seed)
    with Steps().stage("resample"):
        found = {task: added(task_scores(arguments, rows, task)) for task in TASKS}
        write_scores(result, records_of(arguments, found))
    wide_console().print(ingredients_table(found))
    print(f"wrote {result}")


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = script_parser(__doc__)
    add = parser.add_argument
    add("--train", type=path_argument, nargs="+", required=True, metavar="DIR", help="data with boxes and all tasks")
    add("--test", type=path_argument, required=True, metavar="DIR", help="data of all tasks to score on")
    add("--start", type=path_argument, required=True, metavar="CHECKPOINT", help="a whole model with its detector")
    add("--answers", type=path_argument, metavar="FILE", help="one a line (default: the start's)")
    add("--more", type=path_argument, metavar="DIR", help="pictures without texts, for a teacher to describe")
    add("--teacher", type=path_argument, metavar="CHECKPOINT", help="describes them")
    add("--recipe", type=known_argument("recipe", RECIPES), default="small-world", help="default: %(default)s")
    add("--pretrain-steps", type=positive, metavar="N", help="of each pre-training (default: the recipe's epochs)")
    add("--task-steps", type=positive, metavar="N", help="of teaching all tasks (default: the recipe's epochs)")
    add("--batch", type=positive, metavar="N", help="examples a step (default: the recipe's)")
    add("--seeds", type=positive, default=1, metavar="N", help="trainings of each row (default: %(default)s)")
    add("--limit", type=positive, metavar="N", help="score the first N examples of each task (default: all)")
    add("--searched", type=positive, default=100, metavar="N", help="pictures of retrieval (default: %(default)s)")
    add("--threads", type=whole_argument(1, 256), metavar="N", help="that compute (default: PyTorch's)")
    add("--output", type=path_argument, default=Path("results/ingredients"), metavar="DIR", help="default: %(default)s")
    return parser


def ingredients_table(found: Mapping[str, Mapping[str, Added]]) -> Table:
    """Return a line for each task and row: the mean, what trainings score, and what the row adds to the baseline."""
    table = Table(box=None, pad_edge=False)
    for heading in ("times 100", "ingredients"):
        table.add_column(heading, no_wrap=True)
    for heading in ("mean", "of each training", "over the baseline", "95 % of resamples"):
        table.add_column(heading, justify="right", no_wrap=True)
    for task, rows in found.items():
        for row, one in rows.items():
            name = f"{task}, {scoring_of(task).measure().meaning}" if row == next(iter(rows)) else ""
            each = " ".join(f"{100 * mean:.1f}" for mean in one.each)
            table.add_row(*map(for_terminal, (name, row, f"{100 * one.mean.value:.1f}", each, *_over(one))))
    return table


def _over(one: Added) -> tuple[str, str]:
    if one.over is None:
        return "", ""
    return f"{100 * one.over.mean:+.1f}", f"{100 * one.over.low:+.1f} to {100 * one.over.high:+.1f}"


if __name__ == "__main__":
    run_command(main)
