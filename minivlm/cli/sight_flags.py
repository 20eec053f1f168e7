"""The flags of `minivlm evaluate` that say how pictures are looked at."""

import argparse
from pathlib import Path

from minivlm.command_line import path_argument
from minivlm.datasets.boxes import read_boxes
from minivlm.datasets.folder import DataFiles, find_data
from minivlm.datasets.pictures import PictureFolder
from minivlm.errors import UserError
from minivlm.evaluation.guessing import guessing
from minivlm.evaluation.sight import Sight, blind, seeing
from minivlm.inference.pipeline import Pipeline
from minivlm.training.features import RegionFolder, holds_regions, kept_sight


def add_sight(parser: argparse.ArgumentParser, task: str) -> None:
    """Add the flags of a task."""
    ways = parser.add_mutually_exclusive_group()
    ways.add_argument(
        "--features",
        type=path_argument,
        metavar="DIR",
        help="keep the pictures' regions there"
        + ("" if task == "detection" else "; or regions that minivlm train features kept"),
    )
    if task == "detection":
        ways.add_argument(
            "--guess-from",
            type=path_argument,
            metavar="DIR",
            help="do not look: give every picture the usual boxes of this data",
        )
    else:
        ways.add_argument("--blind", action="store_true", help="show the model no picture: neither regions nor tags")


def store_of(arguments: argparse.Namespace) -> Path | None:
    """Return the folder in which the pipeline keeps a file a picture; None where there is none of that kind.

    Raises:
        UserError: A detector is to be judged by what was kept for training, which is less than all that it finds.
    """
    folder: Path | None = arguments.features
    if folder is None or not holds_regions(folder):
        return folder
    if arguments.task == "detection":
        raise UserError(f"{folder} holds what minivlm train features kept, for texts only: name another folder")
    return None


def sight_of(arguments: argparse.Namespace, pipeline: Pipeline) -> Sight:
    """Return how pictures are looked at.

    Raises:
        UserError: The folder holds another detector's regions, or the data to guess from no boxes.
    """
    if getattr(arguments, "blind", False):
        return blind(pipeline)
    if getattr(arguments, "guess_from", None) is not None:
        return _guessing(arguments.guess_from, pipeline)
    if arguments.features is not None and holds_regions(arguments.features):
        return kept_sight(RegionFolder(arguments.features, pipeline.backend.detector_hash), pipeline)
    return seeing(pipeline)


def _guessing(folder: Path, pipeline: Pipeline) -> Sight:
    files, _ = find_data(folder, DataFiles())
    if files.boxes is None:
        raise UserError(f"{folder} has no boxes to guess from: give data with boxes.json")
    return guessing(pipeline, read_boxes(files.boxes, PictureFolder(files.images or folder)))
