"""The subcommand `minivlm data check`: what data holds, before hours are spent on it."""

import argparse
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from minivlm.command_line import path_argument
from minivlm.console import Steps
from minivlm.datasets.check import check_data, unknown_files
from minivlm.datasets.folder import DataFiles, find_data
from minivlm.datasets.report import Report, left_out
from minivlm.storage.json_text import json_text

FILE_FLAGS: Mapping[str, str] = MappingProxyType(
    {
        "boxes": "detection JSON as COCO has it",
        "captions": "captions of COCO or Karpathy's, or a plain list",
        "questions": "questions of VQA v2",
        "annotations": "answers of VQA v2",
        "nlvr2": "JSON lines of NLVR2",
    }
)
"""Kind of a file -> what it is."""


def add_check(kinds: Any, command: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the subcommand.

    Args:
        kinds: Subparsers of `minivlm data`.
        command: Makes a parser from subparsers, a name, what to run, a summary and an example.
    """
    parser = command(
        kinds,
        "check",
        check,
        "say what data holds, what is broken and what would be left out",
        "minivlm data check my-data\nminivlm data check --captions dataset_coco.json --images coco --no-pictures",
    )
    parser.add_argument("folder", nargs="?", type=path_argument, metavar="DIR", help="files are told by what they hold")
    add_file_flags(parser)
    parser.add_argument("--no-pictures", action="store_true", help="look for the pictures without opening them")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead")


def add_file_flags(parser: argparse.ArgumentParser, kinds: Iterable[str] = tuple(FILE_FLAGS)) -> None:
    """Add the flags that name single files of data, of the kinds given."""
    for kind in kinds:
        parser.add_argument(
            f"--{kind}", type=path_argument, metavar="FILE", help=f"{FILE_FLAGS[kind]} (default: in DIR)"
        )
    parser.add_argument("--images", type=path_argument, metavar="DIR", help="pictures (default: DIR/images, or DIR)")


def given_files(arguments: argparse.Namespace) -> DataFiles:
    """Return the files that the flags name."""
    return DataFiles(**{name: getattr(arguments, name, None) for name in (*FILE_FLAGS, "images")})


def check(arguments: argparse.Namespace) -> None:
    """Print what there is and what is wrong with it."""
    steps = Steps()
    with steps.stage("find"):
        files, unknown = find_data(arguments.folder, given_files(arguments))
    with steps.counting("pictures", every=1000) as progress:
        reports = check_data(files, open_pictures=None if arguments.no_pictures else progress)
    if unknown:
        reports = (*reports, unknown_files(arguments.folder or Path(), unknown))
    total = sum(left_out(report.findings) for report in reports)
    if arguments.json:
        print(json_text({"command": "data check", "reports": [one.fields for one in reports], "left_out": total}))
        return
    for report in reports:
        print("\n".join(report.lines))
    print(f"left out: {total:,}" if total else "nothing is left out")


def tell_reports(console: Steps, reports: Iterable[Report]) -> None:
    """Say what data holds, and what of it was left out."""
    for report in reports:
        for line in report.lines:
            console.say(line)
