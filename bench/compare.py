"""Judge one set of records against another.

    python bench/compare.py BASE NEW
    python bench/compare.py base.jsonl new.jsonl --markdown comment.md --junit junit.xml

BASE and NEW are files of records or folders that hold a records.jsonl. Exit code 0: no regression; 1: a regression; 2:
bad input, or nothing that can be compared. docs/verdict.md explains the verdicts.
"""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from bench.judging.verdict import Judgement, judge
from bench.judging.verdict_output import as_json, github_json, junit, markdown, show
from bench.record_file import read
from bench.records import Record
from bench.reporting.cells import wide_console
from minivlm.command_line import script_parser
from minivlm.errors import UserError, run_command
from minivlm.files import write_text

FORMATS: Mapping[str, tuple[Callable[[Sequence[Judgement]], str], str]] = MappingProxyType(
    {
        "markdown": (markdown, "a comment for a pull request"),
        "json": (as_json, "everything, unrounded"),
        "junit": (junit, "JUnit XML"),
        "github-json": (github_json, "customSmallerIsBetter of github-action-benchmark"),
    }
)
"""Flag, writer, and what it is for."""


def read_records(path: Path) -> list[Record]:
    """Read a file of records, or the records.jsonl of a folder.

    Raises:
        UserError: There is none, or it is damaged.
    """
    if path.is_dir() and not (path / "records.jsonl").is_file():
        raise UserError(f"{path} holds no records.jsonl: give a file of records, or an --output of bench/run.py")
    return read(path / "records.jsonl" if path.is_dir() else path)


def add_output_flags(parser: argparse.ArgumentParser) -> None:
    """Let a command line write judgements in every format."""
    for name, (_, purpose) in FORMATS.items():
        parser.add_argument(f"--{name}", type=Path, metavar="FILE", help=f"write {purpose}")


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
    parser.add_argument("base", type=Path, metavar="BASE", help="records to compare with")
    parser.add_argument("new", type=Path, metavar="NEW", help="records to judge")
    add_output_flags(parser)
    arguments = parser.parse_args(argv)
    sys.exit(report(judge(read_records(arguments.base), read_records(arguments.new)), arguments))


if __name__ == "__main__":
    run_command(main)
