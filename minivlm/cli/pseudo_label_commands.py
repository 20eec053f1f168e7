"""The subcommand `minivlm pseudo-label`: what a teacher says of pictures, to be learnt from."""

import argparse
from collections.abc import Callable
from typing import Any

from minivlm.cli.check_commands import tell_reports
from minivlm.cli.commands import backend_of
from minivlm.cli.model_flags import add_model_flags
from minivlm.command_line import path_argument, positive
from minivlm.console import Steps
from minivlm.datasets.pictures import PictureFolder
from minivlm.inference.pipeline import Pipeline
from minivlm.training.language.pseudo_labels import label_pictures, open_labels


def add_pseudo_label(subparsers: Any, command: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the subcommand.

    Args:
        subparsers: Of `minivlm`.
        command: Makes a parser from subparsers, a name, what to run, a summary and an example.
    """
    parser = command(
        subparsers,
        "pseudo-label",
        pseudo_label,
        "let a teacher write captions and boxes for pictures, as data to learn from",
        "minivlm pseudo-label my-photos --images my-photos/images --checkpoint teacher",
    )
    parser.add_argument(
        "folder", type=path_argument, metavar="DIR", help="gets captions.json and boxes.json; best the pictures' parent"
    )
    parser.add_argument("--images", type=path_argument, required=True, metavar="DIR", help="pictures")
    add_model_flags(parser)
    parser.add_argument("--beams", type=positive, default=1, metavar="K", help="hypotheses (default: %(default)s)")
    parser.add_argument("--resume", action="store_true", help="go on with what is in DIR")


def pseudo_label(arguments: argparse.Namespace) -> None:
    """Describe pictures, and say what was written."""
    console = Steps()
    with console.stage("find the pictures"):
        images = PictureFolder(arguments.images)
    tell_reports(console, images.reports)
    with console.stage("load"):
        pipeline = Pipeline(backend_of(arguments))
        records = open_labels(arguments.folder, pipeline, arguments.beams, resume=arguments.resume)
    with console.counting("pictures", every=100) as progress:
        made = label_pictures(arguments.folder, images, pipeline, records, beams=arguments.beams, progress=progress)
    for fault in made.unusable:
        console.say(f"left out: {fault}")
    print(f"{arguments.folder}: {made.pictures:,} captions, {made.boxes:,} boxes")
