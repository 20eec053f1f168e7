"""Which weights a script works on: its flags --checkpoint and --seed, read and checked in one way."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from minivlm.command_line import integer_argument, names_argument
from minivlm.errors import UserError
from minivlm.weights.checkpoint import read_info
from minivlm.weights.loading import DescribedModel, describe_model
from minivlm.weights.shipped import checkpoint_argument

MOST_SEED = 2**63 - 1


@dataclass(frozen=True)
class Weights:
    """A checkpoint's weights, or random ones.

    Attributes:
        checkpoint: Folder; None takes random weights.
        seed: Of random weights.
    """

    checkpoint: Path | None = None
    seed: int = 0

    def models(self, named: Sequence[str] | None, default: Sequence[str]) -> list[str]:
        """Return the models to work on.

        Args:
            named: Those of a flag; None takes the checkpoint's model, and without a checkpoint `default`.
            default: Names.

        Raises:
            UserError: The checkpoint cannot be read.
        """
        if named is None and self.checkpoint is not None:
            return [read_info(self.checkpoint).model]
        return list(default if named is None else named)

    def describe(self, model: str) -> DescribedModel:
        """Return what is known of a model with these weights before it is built.

        Raises:
            UserError: There is no such model, or the checkpoint does not hold it.
        """
        return describe_model(model, checkpoint=self.checkpoint, seed=self.seed)

    def flags(self) -> list[str]:
        """Return the flags of a command that give it these weights, wherever it runs."""
        if self.checkpoint is not None:
            return ["--checkpoint", str(self.checkpoint.resolve())]
        return ["--seed", str(self.seed)] if self.seed else []


def add_weights_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags; `read_weights` takes their values."""
    add = parser.add_argument
    add(
        "--checkpoint",
        type=checkpoint_argument,
        metavar="DIR",
        help="weights, of a model or of its parts too; without it they are random",
    )
    add("--seed", type=integer_argument, metavar="N", help="of random weights (default: 0)")


def add_models_flag(parser: argparse.ArgumentParser, default: Sequence[str]) -> None:
    """Add the flag of the models to work on; `Weights.models` takes its value and the same default."""
    parser.add_argument(
        "--models", type=names_argument, metavar="A,B", help=f"default: the checkpoint's, or {','.join(default)}"
    )


def read_weights(checkpoint: Path | None, seed: int | None) -> Weights:
    """Check the flags' values.

    Raises:
        UserError: Both are given, the seed is out of bounds, or there is no such checkpoint.
    """
    if seed is not None and checkpoint is not None:
        raise UserError("--seed is for random weights, and --checkpoint has its own: leave one of the two out")
    if not 0 <= (seed or 0) <= MOST_SEED:
        raise UserError(f"--seed {seed}: give a number from 0 to {MOST_SEED}")
    if checkpoint is None:
        return Weights(seed=seed or 0)
    read_info(checkpoint)
    return Weights(checkpoint)
