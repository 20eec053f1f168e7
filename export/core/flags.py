"""Flags of scripts that work on several formats: the same name, type and help wherever they stand."""

import argparse
from collections.abc import Sequence

from export.core.format import PRECISIONS
from minivlm.command_line import known_argument, list_argument, path_argument, positive


def add_runtimes_flag(parser: argparse.ArgumentParser, known: Sequence[str], *older: str) -> None:
    """Add the flag of the runtimes to work on; without it, all of them.

    Args:
        parser: Of the script.
        known: The runtimes that it can work on.
        older: Names that the flag had before.
    """
    parser.add_argument(
        *("--runtimes", *older),
        type=list_argument(known_argument("runtime", known)),
        default=list(known),
        metavar="A,B",
        help=f"of {', '.join(known)} (default: all)",
    )


def add_precision_flag(parser: argparse.ArgumentParser, default: Sequence[str]) -> None:
    """Add the flag of the precisions to work on."""
    parser.add_argument(
        "--precision",
        type=list_argument(known_argument("precision", PRECISIONS)),
        default=list(default),
        metavar="A,B",
        help=f"of {', '.join(PRECISIONS)} (default: {','.join(default)})",
    )


def add_evaluate_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of data that an artifact must still do its tasks on."""
    parser.add_argument(
        "--evaluate",
        type=path_argument,
        metavar="DIR",
        help="data, as minivlm evaluate reads it, to score the model and the artifact on: in every task that both can "
        "be scored in, the artifact must keep 97 %% of the model's score",
    )
    parser.add_argument(
        "--evaluate-limit",
        type=positive,
        metavar="N",
        help="the first N examples of each task, of retrieval 20 pictures at most (default: 100)",
    )
