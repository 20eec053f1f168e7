"""The flags that say which model a subcommand runs; `minivlm.cli.commands.backend_of` opens it."""

import argparse

from minivlm.command_line import name_argument, path_argument, seed
from minivlm.weights.shipped import checkpoint_argument

DEFAULT_MODEL = "minivlm"


def add_accelerator_flag(parser: argparse.ArgumentParser) -> None:
    """Add the flag of what an artifact runs on."""
    parser.add_argument(
        "--accelerator", type=name_argument, metavar="NAME", help="gpu: run an artifact of LiteRT there (default: cpu)"
    )


def add_model_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    parser.add_argument(
        "--checkpoint",
        type=checkpoint_argument,
        metavar="DIR",
        help="weights and words; it knows its model. sample is the trained one that comes with the package",
    )
    parser.add_argument(
        "--artifact", type=path_argument, metavar="FILE", help="run an exported model instead of PyTorch"
    )
    parser.add_argument(
        "--model", type=name_argument, metavar="NAME", help=f"default: {DEFAULT_MODEL}, or the checkpoint's"
    )
    parser.add_argument("--seed", type=seed, metavar="N", help="of random weights (default: 0)")
