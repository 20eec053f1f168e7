"""What scripts ask for that score artifacts: their flags, and the tasks that can be done."""

import argparse
from collections.abc import Sequence

from bench.session.flags import add_threads_flag
from export.verify.scores import HEADLINES, SEARCHED
from minivlm.command_line import known_argument, list_argument, positive
from minivlm.errors import UserError
from minivlm.weights.shipped import checkpoint_argument


def add_scoring_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of what is held against what, in which tasks, on how many examples."""
    add = parser.add_argument
    add(
        "--checkpoint",
        type=checkpoint_argument,
        required=True,
        metavar="DIR",
        help="the model that artifacts are held against",
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
    add_threads_flag(parser)
    add("--resume", action="store_true", help="go on with what is in --output")


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
