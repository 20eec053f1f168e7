"""The parser of every command of this project, and the types of its flags."""

import argparse
import math
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NoReturn, TypeVar

from minivlm.errors import UserError, printable, unknown

Item = TypeVar("Item")


class OneLineParser(argparse.ArgumentParser):
    """Reports mistakes as every other mistake is reported."""

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing the usage."""
        raise UserError(f"{printable(message)}; {self.prog} --help shows how")


def script_parser(description: str | None) -> OneLineParser:
    """Return the parser of a script, described by its docstring as it is written; no flag of it takes an empty name."""
    parser = OneLineParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.register("type", None, name_argument)
    return parser


def name_argument(text: str) -> str:
    """Read a name, or a path that stays as it is written; an empty one, as of an unset variable, is a mistake."""
    if not text:
        raise argparse.ArgumentTypeError("is empty: give a name, or leave the flag out")
    if "\0" in text:
        raise argparse.ArgumentTypeError(f"{text!r:.80} holds a null character, which no name can")
    return text


def path_argument(text: str) -> Path:
    """Read a path; an empty one would be the current folder."""
    return Path(name_argument(text))


def whole_argument(least: int, most: int = 2**63 - 1) -> Callable[[str], int]:
    """Return what reads a whole number, in plain digits, within bounds."""

    def read(text: str) -> int:
        plain = text.isascii() and text.isdigit() and len(text) < 20
        if not (plain and least <= int(text) <= most):
            raise argparse.ArgumentTypeError(f"{text!r:.80} is no whole number from {least} to {most}")
        return int(text)

    return read


def integer_argument(text: str) -> int:
    """Read a whole number in plain digits, whose bounds the command checks."""
    if re.fullmatch(r"[+-]?[0-9]{1,99}", text) is None:
        raise argparse.ArgumentTypeError(f"{text!r:.80} is no whole number")
    return int(text)


def number_argument(text: str) -> float:
    """Read a number, neither infinite nor "nan", whose bounds the command checks."""
    try:
        value = float(text) if text.isascii() else math.nan
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"{text!r:.80} is no number")
    return value


def known_argument(kind: str, known: Iterable[str]) -> Callable[[str], str]:
    """Return what reads one of several names; of any other it says which are near.

    Args:
        kind: What is named, for the message.
        known: The names.
    """
    names = list(known)

    def read(text: str) -> str:
        if text not in names:
            raise argparse.ArgumentTypeError(unknown(kind, text, names))
        return text

    return read


def list_argument(read: Callable[[str], Item]) -> Callable[[str], list[Item]]:
    """Return what reads a list: its parts stand between commas, each counts once, and there is at least one."""

    def read_all(text: str) -> list[Item]:
        parts = [part.strip() for part in text.split(",") if part.strip()]
        if not parts:
            raise argparse.ArgumentTypeError(f"{text!r:.80} names nothing: give at least one, or several such as A,B")
        return list(dict.fromkeys(map(read, parts)))

    return read_all


names_argument = list_argument(name_argument)
"""Reads names between commas."""
positive = whole_argument(1, 10**9)
"""Reads a count of at least 1."""
seed = whole_argument(0)
"""Reads a seed."""
