"""Flags of scripts that work on several formats: the same name, type and help wherever they stand."""

import argparse
from collections.abc import Sequence

from export.core.format import PRECISIONS
from minivlm.command_line import known_argument, list_argument


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
