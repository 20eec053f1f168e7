"""The subcommands of `minivlm train`."""

import argparse
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from minivlm.cli.check_commands import tell_reports
from minivlm.cli.language_commands import add_language
from minivlm.cli.train_flags import add_shared_flags, as_told, changed, shared_options
from minivlm.command_line import name_argument, path_argument
from minivlm.console import Steps
from minivlm.training.detector_stage import DetectorStage, with_proposals
from minivlm.training.detector_start import DEFAULT_MODEL, NO_ATTRIBUTE, begin_with, read_boxes_to_learn
from minivlm.training.pictures import DetectorPictures
from minivlm.training.recipes import RECIPES
from minivlm.training.trainer import train

MakeParser = Callable[..., argparse.ArgumentParser]


def add_train(subparsers: Any, command: MakeParser) -> None:
    """Add the subcommand.

    Args:
        subparsers: Of `minivlm`.
        command: Makes a parser from subparsers, a name, what to run, a summary and an example.
    """
    parser = subparsers.add_parser("train", help="train a model on data", description="Train a model on data.")
    stages = parser.add_subparsers(dest="stage", metavar="STAGE", required=True)
    detector = command(
        stages,
        "detector",
        train_detector,
        "train a detector on annotated pictures",
        "minivlm train detector my-detector --data scenes/train --recipe small-world\n"
        "minivlm train detector my-detector --data scenes/train --recipe small-world --resume",
    )
    add_shared_flags(detector, RECIPES)
    detector.add_argument("--data", type=path_argument, required=True, metavar="DIR", help="what to learn from")
    detector.add_argument(
        "--model", type=name_argument, metavar="NAME", help=f"default: {DEFAULT_MODEL}, or the checkpoint's"
    )
    detector.add_argument(
        "--backbone",
        type=name_argument,
        metavar="NAME|FILE",
        help="timm's EfficientNet, on the hub or a local file; or efficientnet-lite0, a package's",
    )
    add_language(stages, command)


def train_detector(arguments: argparse.Namespace) -> None:
    """Train a detector, and say where it is."""
    options, console = shared_options(arguments), Steps()
    recipe = RECIPES[arguments.recipe]
    recipe = replace(recipe, optimization=changed(recipe.optimization, arguments))
    with console.stage("read the data"):
        data = read_boxes_to_learn(arguments.data)
    with console.stage("load the weights"):
        start = begin_with(
            data.labels, name=arguments.model, start=arguments.start, backbone=arguments.backbone, seed=arguments.seed
        )
        model = with_proposals(start.model, recipe, start.name)
    pictures = DetectorPictures(
        data.boxes,
        (NO_ATTRIBUTE, *data.labels.attributes),
        recipe,
        model.config.pixels,
        model.config.size_multiple,
    )
    stage = DetectorStage(
        name=start.name, model=model, recipe=recipe, examples=pictures, labels=data.labels, origin=start.origin
    )
    tell_reports(console, data.reports)
    about = {**start.about, "data": data.sha256, "recipe": {"name": arguments.recipe, **as_told(recipe)}}
    steps = train(stage, options, about, console)
    print(f"{arguments.folder}: {start.name}, {len(data.labels.tags)} classes, {steps:,} steps")
