"""The other end of `bench.workers.process.ask`: a process that gets one question and gives one answer."""

import faulthandler
import os
import signal
import sys
import threading
import time
from collections.abc import Callable

from minivlm.process import GRACE_SECONDS


def answer(respond: Callable[[str, Callable[[], None]], str]) -> None:
    """Read one line from standard input, and write what `respond` makes of it as the last line of standard output.

    What libraries print goes to standard error, where a crash leaves its trace too. The process ends with its caller.

    Args:
        respond: Takes the line, and what to call whenever something is finished; returns a line.
    """
    question = sys.stdin.readline()
    threading.Thread(target=end_with_caller, daemon=True).start()
    faulthandler.enable()
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    answers.write(respond(question, lambda: print(file=answers)) + "\n")


def end_with_caller() -> None:
    """Wait for the end of standard input, which comes when the caller is killed, and end then."""
    while os.read(0, 4096):  # not through sys.stdin, whose lock would be held at the end of the interpreter
        pass
    os.kill(os.getpid(), signal.SIGTERM)  # the main thread removes what is half written, if it still can
    time.sleep(GRACE_SECONDS)
    os._exit(1)


def bind(cores: list[int] | None) -> None:
    """Bind this process to some cores; None leaves it free."""
    if cores is not None:
        os.sched_setaffinity(0, cores)
