"""The flags that all stages of `minivlm train` share, and what they say."""

import argparse
import math
from dataclasses import asdict, replace
from typing import Any

import torch

from minivlm.command_line import known_argument, number_argument, path_argument, positive, seed, whole_argument
from minivlm.errors import UserError
from minivlm.training.optimization import Optimization
from minivlm.training.trainer import TrainOptions
from minivlm.weights.shipped import checkpoint_argument


def add_shared_flags(parser: argparse.ArgumentParser, recipes: Any) -> None:
    """Add what all stages take.

    Args:
        parser: Of a stage.
        recipes: By name.
    """
    parser.add_argument("folder", type=path_argument, metavar="DIR", help="new or empty; becomes a checkpoint")
    parser.add_argument(
        "--recipe",
        type=known_argument("recipe", recipes),
        required=True,
        metavar="NAME",
        help=", ".join(recipes),
    )
    parser.add_argument("--start", type=checkpoint_argument, metavar="CHECKPOINT", help="weights to begin with")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--epochs", type=positive, metavar="N", help="how often all data is shown (default: recipe's)")
    length.add_argument("--steps", type=positive, metavar="N", help="steps to take instead")
    parser.add_argument("--batch", type=positive, metavar="N", help="examples a step (default: the recipe's)")
    parser.add_argument(
        "--accumulate", type=positive, metavar="N", help="parts of a batch, one after another, which needs less memory"
    )
    parser.add_argument(
        "--learning-rate", type=number_argument, metavar="RATE", help="after the warm-up (default: the recipe's)"
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
    """Return a recipe's optimization with what the shared flags change of it.

    Raises:
        UserError: The learning rate is not above 0.
    """
    if arguments.learning_rate is not None and arguments.learning_rate <= 0.0:
        raise UserError(f"--learning-rate {arguments.learning_rate:g}: give a number above 0, such as 1e-4")
    given = {name: getattr(arguments, name) for name in ("epochs", "batch", "accumulate", "learning_rate")}
    return replace(optimization, **{name: value for name, value in given.items() if value is not None})


def as_told(recipe: Any) -> dict[str, Any]:
    """Return a recipe as JSON holds it, in which no number is infinite."""
    return {name: _finite(value) for name, value in asdict(recipe).items()}


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    return None if value == math.inf else value
