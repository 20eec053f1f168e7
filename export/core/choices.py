"""Flags that only some formats have: what they offer, and what the exporters of the others say of them."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from pkgutil import resolve_name
from types import MappingProxyType

from export.core.acceleration import CPU
from export.core.format import Format
from export.core.formats import FORMATS
from minivlm.command_line import known_argument, name_argument
from minivlm.errors import UserError

CHOICES: Mapping[str, Callable[[Format], Sequence[str]]] = MappingProxyType(
    {
        "delegate": lambda target: [delegate.name for delegate in target.delegates],
        "accelerator": lambda target: list(target.accelerators),
    }
)
"""By the flag's name, what a format offers for it."""


def add_choice_flags(parser: argparse.ArgumentParser, target: Format) -> None:
    """Add the flags that a format offers something for; the others are there to be answered by `check_choices`."""
    names = CHOICES["delegate"](target)
    if names:
        parser.add_argument(
            "--delegate",
            type=known_argument("delegate", [*names, *target.refused_delegates]),
            help=f"of {', '.join(names)}: what computes; {names[0]} takes what others leave (default: {names[0]})",
        )
    if target.accelerators:
        parser.add_argument(
            "--accelerator",
            default=CPU,
            metavar="NAME",
            help=f"of {', '.join([CPU, *target.accelerators])}: verify the artifact there, too (default: %(default)s)",
        )
    for flag, offered in CHOICES.items():
        if not offered(target):
            parser.add_argument(f"--{flag}", type=name_argument, help=argparse.SUPPRESS)


def check_choices(arguments: argparse.Namespace, target: Format) -> None:
    """Refuse a flag that a format offers nothing for, and a delegate that nothing is lowered to.

    Args:
        arguments: Of the command line.
        target: Of the exporter.

    Raises:
        UserError: Saying which format has the flag, by a command that makes what was asked for; or what is missing.
    """
    refused = target.refused_delegates.get(vars(arguments).get("delegate") or "")
    if refused is not None:
        raise UserError(resolve_name(refused)())
    for flag, offered in CHOICES.items():
        given = vars(arguments).get(flag)
        if given is None or offered(target):
            continue
        owners = [found for found in FORMATS.values() if offered(found)]
        names = dict.fromkeys(name for found in owners for name in offered(found))
        value = given if given in names or any(given in one.refused_delegates for one in owners) else "|".join(names)
        commands = " or ".join(f"{found.command} {_model_flags(arguments)} --{flag} {value}" for found in owners)
        raise UserError(f"--{flag} is {' and '.join(found.name for found in owners)}'s: {commands}")


def _model_flags(arguments: argparse.Namespace) -> str:
    """Return the flags that name the model, as they were given."""
    named = {"model": arguments.model, "checkpoint": arguments.checkpoint}
    return " ".join(f"--{flag} {value}" for flag, value in named.items() if value is not None) or "--model M"
