"""The one exception a user's mistake raises, and how a command turns it into one line and exit code 2."""

import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from difflib import get_close_matches

from minivlm.process import PipeClosedError, StdoutError, Terminated, terminable, usable_streams


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


def unknown(kind: str, given: str, known: list[str]) -> str:
    """Return the message about a name that is none of the known ones; `kind` is what was to be named."""
    return f"unknown {kind} {printable(given)[:80]!r}: {closest(given, known)}"


def run_command(main: Callable[[], None]) -> None:
    """Run a command line's `main`, and end the process as a shell expects.

    Exit codes: 2 with one line on stderr for a `UserError` or a stdout that takes nothing; 70 with a traceback for a
    mistake of ours, which no caller can take for a verdict of 1; 128 and the signal's number for Ctrl-C (130), SIGTERM
    (143), SIGHUP (129) and, in silence, a pipe that nobody reads (141). Temporary files are removed in all cases.
    """
    code = 0
    try:
        with usable_streams():
            code = _outcome(main)
    except PipeClosedError:
        code = 128 + signal.SIGPIPE
    except StdoutError as error:
        code = _complain(f"error: cannot write to stdout: {error}; free space, or send it to a file or program", 2)
    if code:
        sys.exit(code)


def _outcome(main: Callable[[], None]) -> int:
    """Return the exit code of a `main` that does not exit by itself."""
    try:
        with terminable():
            main()
    except UserError as error:
        return _complain(f"error: {printable(str(error))}", 2)
    except Terminated as error:
        return _complain("ended by the system; what was finished is kept", 128 + error.number)
    except KeyboardInterrupt:
        return _complain("interrupted; what was finished is kept", 128 + signal.SIGINT)
    except (PipeClosedError, StdoutError):
        raise
    except Exception:
        return _complain(f"{traceback.format_exc()}this is a fault of the program: please report it", 70)
    return 0


def _complain(text: str, code: int) -> int:
    with suppress(OSError, ValueError):  # stderr may be full or closed
        print(text, file=sys.stderr, flush=True)
    return code
