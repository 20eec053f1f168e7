"""Flags of scripts that work on several formats: the same name, type and help wherever they stand."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from export.core.format import INTEGERS, PRECISIONS
from minivlm.command_line import known_argument, list_argument, path_argument, positive
from minivlm.errors import UserError
from minivlm.storage.files import is_folder


def add_runtimes_flag(
    parser: argparse.ArgumentParser, known: Sequence[str], *older: str, default: Sequence[str] | None = None
) -> None:
    """Add the flag of the runtimes to work on.

    Args:
        parser: Of the script.
        known: The runtimes that it can work on.
        older: Names that the flag had before.
        default: Those it works on without the flag; None takes all.
    """
    parser.add_argument(
        *("--runtimes", *older),
        type=list_argument(known_argument("runtime", known)),
        default=list(known if default is None else default),
        metavar="A,B",
        help=f"of {', '.join(known)} (default: {'all' if default is None else ','.join(default)})",
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


def add_calibration_flag(parser: argparse.ArgumentParser) -> None:
    """Add the flag of the photos that ranges of activations are measured on."""
    parser.add_argument(
        "--calibration",
        type=path_argument,
        metavar="DIR",
        help="photos for int8 and int4 (default: one from scikit-learn)",
    )


def check_calibration(folder: Path | None, precisions: Sequence[str]) -> None:
    """Refuse photos that no artifact would be calibrated on, before any is made.

    Args:
        folder: Of the flag; None takes a photo that is there.
        precisions: Of the artifacts to make.

    Raises:
        UserError: There is no such folder, or nothing with ranges is to be made.
    """
    if folder is None:
        return
    if not set(precisions) & set(INTEGERS):
        raise UserError(f"--calibration goes with {' or '.join(INTEGERS)}: add one to --precision, or leave it out")
    if not is_folder(folder):
        raise UserError(f"--calibration {folder} is no folder: give a folder of photos")


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
