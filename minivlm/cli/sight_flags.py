"""The flags of `minivlm evaluate` that say how pictures are looked at."""

import argparse
from pathlib import Path
from typing import Any

from minivlm.command_line import path_argument
from minivlm.datasets.boxes import BoxData, read_boxes
from minivlm.datasets.folder import DataFiles, find_data
from minivlm.datasets.pictures import PictureFolder
from minivlm.errors import UserError
from minivlm.evaluation.guessing import guessing, usual_attributes
from minivlm.evaluation.sight import Sight, blind, seeing
from minivlm.evaluation.tasks import DetectionTask, Task
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


def sight_of(arguments: argparse.Namespace, pipeline: Pipeline, usual: BoxData | None) -> Sight:
    """Return how pictures are looked at.

    Args:
        arguments: Of the command line.
        pipeline: Over any backend.
        usual: See `boxes_to_guess_from`.

    Raises:
        UserError: The folder holds another detector's regions, or the data to guess from no box that can be used.
    """
    if getattr(arguments, "blind", False):
        return blind(pipeline)
    if usual is not None:
        return guessing(pipeline, usual)
    if arguments.features is not None and holds_regions(arguments.features):
        return kept_sight(RegionFolder(arguments.features, pipeline.backend.detector_hash), pipeline)
    return seeing(pipeline)


def boxes_to_guess_from(arguments: argparse.Namespace) -> BoxData | None:
    """Return the data whose usual boxes every picture gets; None where pictures are looked at.

    Raises:
        UserError: It has no boxes.
    """
    folder: Path | None = getattr(arguments, "guess_from", None)
    if folder is None:
        return None
    files, _ = find_data(folder, DataFiles())
    if files.boxes is None:
        raise UserError(f"{folder} has no boxes to guess from: give data with boxes.json")
    return read_boxes(files.boxes, PictureFolder(files.images or folder))


def guessed_attributes(usual: BoxData | None, task: Task[Any], limit: int | None) -> dict[str, float]:
    """Return what the usual attribute of each class scores, by name; nothing where pictures are looked at.

    Args:
        usual: See `boxes_to_guess_from`.
        task: Of detection.
        limit: Of its examples.
    """
    if usual is None or not isinstance(task, DetectionTask):
        return {}
    scores = usual_attributes(usual, task.examples[:limit], task.data.classes)
    return {"usual attribute of a box's class": sum(scores) / len(scores)} if scores else {}
