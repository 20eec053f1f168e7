"""The subcommands of `minivlm train`."""

import argparse
import math
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import torch

from minivlm.command_line import known_argument, name_argument, path_argument, positive, seed, whole_argument
from minivlm.console import Steps
from minivlm.training.detector_stage import DetectorStage, with_proposals
from minivlm.training.detector_start import DEFAULT_MODEL, NO_ATTRIBUTE, begin_with, read_boxes_to_learn
from minivlm.training.optimization import Optimization
from minivlm.training.pictures import DetectorPictures
from minivlm.training.recipes import RECIPES
from minivlm.training.trainer import TrainOptions, train

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
    detector.add_argument(
        "--model", type=name_argument, metavar="NAME", help=f"default: {DEFAULT_MODEL}, or the checkpoint's"
    )
    detector.add_argument(
        "--backbone", type=name_argument, metavar="NAME|FILE", help="timm's EfficientNet: on the hub, or a local file"
    )


def add_shared_flags(parser: argparse.ArgumentParser, recipes: Any) -> None:
    """Add what all stages take.

    Args:
        parser: Of a stage.
        recipes: By name.
    """
    parser.add_argument("folder", type=path_argument, metavar="DIR", help="new or empty; becomes a checkpoint")
    parser.add_argument("--data", type=path_argument, required=True, metavar="DIR", help="what to learn from")
    parser.add_argument(
        "--recipe",
        type=known_argument("recipe", recipes),
        required=True,
        metavar="NAME",
        help=", ".join(recipes),
    )
    parser.add_argument("--start", type=path_argument, metavar="CHECKPOINT", help="weights to begin with")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--epochs", type=positive, metavar="N", help="how often all data is shown (default: recipe's)")
    length.add_argument("--steps", type=positive, metavar="N", help="steps to take instead")
    parser.add_argument("--batch", type=positive, metavar="N", help="examples a step (default: the recipe's)")
    parser.add_argument(
        "--accumulate", type=positive, metavar="N", help="parts of a batch, one after another, which needs less memory"
    )
    parser.add_argument("--seed", type=seed, default=0, metavar="N", help="of all chance (default: %(default)s)")
    parser.add_argument(
        "--workers", type=whole_argument(0, 256), default=1, metavar="N", help="that make batches (default: 1)"
    )
    parser.add_argument(
        "--threads", type=whole_argument(1, 256), metavar="N", help="that compute, a process (default: PyTorch's)"
    )
    parser.add_argument("--cpu", action="store_true", help="compute there even where there is a GPU")
    parser.add_argument("--resume", action="store_true", help="go on with the training that is in DIR")


def shared_options(arguments: argparse.Namespace) -> TrainOptions:
    """Return what the shared flags say of the run; `--threads` counts from now on."""
    if arguments.threads is not None:
        torch.set_num_threads(arguments.threads)
    return TrainOptions(
        folder=arguments.folder,
        seed=arguments.seed,
        workers=arguments.workers,
        steps=arguments.steps,
        resume=arguments.resume,
        device="cpu" if arguments.cpu else None,
    )


def changed(optimization: Optimization, arguments: argparse.Namespace) -> Optimization:
    """Return a recipe's optimization with what the shared flags change of it."""
    given = {name: getattr(arguments, name) for name in ("epochs", "batch", "accumulate")}
    return replace(optimization, **{name: value for name, value in given.items() if value is not None})


def as_told(recipe: Any) -> dict[str, Any]:
    """Return a recipe as JSON holds it, in which no number is infinite."""
    return {name: _finite(value) for name, value in asdict(recipe).items()}


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    return None if value == math.inf else value


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
    for line in data.boxes.report.lines:
        console.say(line)
    about = {**start.about, "data": data.sha256, "recipe": {"name": arguments.recipe, **as_told(recipe)}}
    steps = train(stage, options, about, console)
    print(f"{arguments.folder}: {start.name}, {len(data.labels.tags)} classes, {steps:,} steps")
