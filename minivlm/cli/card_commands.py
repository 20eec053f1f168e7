"""The subcommand `minivlm checkpoint card`: a model card from the records of a model's making."""

import argparse
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from minivlm.cards.card import CARD, Evidence, make_card
from minivlm.command_line import name_argument, path_argument
from minivlm.console import Steps
from minivlm.errors import UserError
from minivlm.storage.files import write_text


def add_card(kinds: Any, command: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the subcommand.

    Args:
        kinds: Subparsers of `minivlm checkpoint`.
        command: Makes a parser from subparsers, a name, what to run, a summary and an example.
    """
    parser = command(
        kinds,
        "card",
        card,
        f"write {CARD} into a checkpoint: what it was made of, how, and what it scores",
        "minivlm checkpoint card my-checkpoint --runs detector pretrained model --data scenes/train scenes/test"
        " --scores test=results/test",
    )
    parser.add_argument("folder", type=path_argument, metavar="CHECKPOINT", help=f"gets {CARD}")
    add = parser.add_argument
    add("--runs", type=path_argument, nargs="+", default=[], metavar="DIR", help="of minivlm train, in order")
    add("--data", type=path_argument, nargs="+", default=[], metavar="DIR", help="of minivlm data scenes")
    add(
        "--scores",
        type=_named_folder,
        nargs="+",
        default=[],
        metavar="NAME=DIR",
        help="of minivlm evaluate --output; NAME is best the split, so that captions are held against its scenes",
    )
    add(
        "--blind",
        type=_named_folder,
        nargs="+",
        default=[],
        metavar="NAME=DIR",
        help="the same of a model that sees no picture",
    )
    add("--machine", type=name_argument, metavar="TEXT", help="what was trained on, in words")


def card(arguments: argparse.Namespace) -> None:
    """Write the card."""
    evidence = Evidence(
        runs=arguments.runs,
        data=arguments.data,
        scores=_by_name("--scores", arguments.scores),
        blind=_by_name("--blind", arguments.blind),
        machine=arguments.machine,
    )
    with Steps().telling("read", every=0.0) as tell:
        text = make_card(arguments.folder, evidence, tell)
    write_text(arguments.folder / CARD, text)
    print(f"{arguments.folder / CARD}: written")


def _named_folder(text: str) -> tuple[str, Path]:
    name, mark, folder = text.partition("=")
    if not (name and mark and folder):
        raise argparse.ArgumentTypeError(f"{text!r:.80} is not NAME=DIR, such as test=results/test")
    return name_argument(name), path_argument(folder)


def _by_name(flag: str, given: Iterable[tuple[str, Path]]) -> dict[str, Path]:
    """Return what a flag was given, each name once.

    Raises:
        UserError: A name is there twice.
    """
    found: dict[str, Path] = {}
    for name, folder in given:
        if name in found:
            raise UserError(f"{flag} names {name!r} twice: give each name one folder")
        found[name] = folder
    return found
