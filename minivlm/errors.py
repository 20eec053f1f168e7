"""The one exception a user's mistake raises, and how a command turns it into one line and exit code 2."""

import sys
from collections.abc import Callable
from difflib import get_close_matches


class UserError(Exception):
    """A mistake of the user's. The message says what was given, the rule, and the way out, in one line."""


def printable(text: str) -> str:
    """Return a text on one line, with what a terminal or a font cannot show written as an escape."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in text)


def closest(given: str, known: list[str]) -> str:
    """Return the ending of an error message about an unknown name: the nearest known ones, or all of them."""
    near = get_close_matches(given, known, n=3, cutoff=0.5)
    if near:
        return f"did you mean {' or '.join(near)}?"
    return f"known: {', '.join(known)}"


def run_command(main: Callable[[], None]) -> None:
    """Run a command line's `main`; a `UserError` becomes one line on stderr and exit code 2, Ctrl-C exit code 130."""
    try:
        main()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted; what was finished is kept", file=sys.stderr)
        sys.exit(130)
