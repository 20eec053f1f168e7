"""The parser of every command of this project."""

import argparse
from pathlib import Path
from typing import NoReturn

from minivlm.errors import UserError, printable


class OneLineParser(argparse.ArgumentParser):
    """Reports mistakes as every other mistake is reported."""

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing the usage."""
        raise UserError(f"{printable(message)}; {self.prog} --help shows how")


def script_parser(description: str | None) -> OneLineParser:
    """Return the parser of a script, described by its docstring as it is written."""
    return OneLineParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)


def path(text: str) -> Path:
    """Read a path; an empty one, which would mean the current folder, is a mistake such as a variable without value."""
    if not text:
        raise argparse.ArgumentTypeError("the path is empty")
    return Path(text)
