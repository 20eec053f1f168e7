"""Judge one set of records against another.

    python bench/compare.py BASE NEW
    python bench/compare.py base.jsonl new.jsonl --markdown comment.md --junit junit.xml
    python bench/compare.py results results --base-run 20260102-030405-0a1b

BASE and NEW are files of records or folders that hold a records.jsonl; of several runs in one the latest is compared,
unless another is named. Exit code 0: no regression; 1: a regression; 2: bad input, or nothing that can be compared; 70:
a fault of this program. docs/verdict.md explains the verdicts.
"""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from bench.records.file import read
from bench.records.runs import choose_run
from bench.regression.verdict import Judgement, judge
from bench.regression.verdict_output import as_json, github_json, junit, markdown, show
from bench.reporting.cells import wide_console
from minivlm.command_line import path_argument, script_parser
from minivlm.errors import UserError, printable, run_command
from minivlm.storage.files import check_outputs, is_file, is_folder, write_text

FORMATS: Mapping[str, tuple[Callable[[Sequence[Judgement]], str], str]] = MappingProxyType(
    {
        "markdown": (markdown, "a comment for a pull request"),
        "json": (as_json, "everything, unrounded"),
        "junit": (junit, "JUnit XML"),
        "github-json": (github_json, "customSmallerIsBetter of github-action-benchmark"),
    }
)
"""Flag, writer, and what it is for."""


def record_file(path: Path) -> Path:
    """Return the file of records that is given, or is in the folder that is given.

    Raises:
        UserError: There is none in the folder, or the path cannot be looked at.
    """
    if not is_folder(path):
        return path
    if not is_file(path / "records.jsonl"):
        raise UserError(f"{path} holds no records.jsonl: give a file of records, or an --output of bench/run.py")
    return path / "records.jsonl"


def add_output_flags(parser: argparse.ArgumentParser) -> None:
    """Let a command line write judgements in every format."""
    for name, (_, purpose) in FORMATS.items():
        parser.add_argument(f"--{name}", type=path_argument, metavar="FILE", help=f"write {purpose}")


def outputs(arguments: argparse.Namespace) -> list[Path]:
    """Return the files that were asked for."""
    named = (getattr(arguments, name.replace("-", "_")) for name in FORMATS)
    return [path for path in named if path is not None]


def report(judgements: Sequence[Judgement], arguments: argparse.Namespace) -> int:
    """Print judgements, write the files that were asked for, and return the exit code."""
    show(judgements, wide_console())
    for name, (write, _) in FORMATS.items():
        path = getattr(arguments, name.replace("-", "_"))
        if path is not None:
            write_text(path, write(judgements))
    return int(any(judgement.regression for judgement in judgements))


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = script_parser(__doc__)
    parser.add_argument("base", type=path_argument, metavar="BASE", help="records to compare with")
    parser.add_argument("new", type=path_argument, metavar="NEW", help="records to judge")
    for side in ("base", "new"):
        parser.add_argument(
            f"--{side}-run", metavar="ID", help=f"run to take from {side.upper()} (default: the latest)"
        )
    add_output_flags(parser)
    arguments = parser.parse_args(argv)
    sides = {"base": record_file(arguments.base), "new": record_file(arguments.new)}
    check_outputs(outputs(arguments), sides.values())
    chosen = {
        side: choose_run(read(path), getattr(arguments, f"{side}_run"), f"--{side}-run") for side, path in sides.items()
    }
    for side, run in chosen.items():
        print(f"{side}: {run} of {printable(str(sides[side]))}")
    sys.exit(report(judge(chosen["base"].records, chosen["new"].records), arguments))


if __name__ == "__main__":
    run_command(main)
