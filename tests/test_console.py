"""A command's steps are shown with their time; what libraries print meanwhile is not, unless something fails."""

import logging
import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from minivlm.console import Steps, quiet

OPEN_FILES = Path("/proc/self/fd")


@contextmanager
def terminal(capfd: pytest.CaptureFixture[str]) -> Iterator[Callable[[], tuple[str, str]]]:
    """Put the standard streams on file descriptors 1 and 2, as in a real process; pytest's own go past them.

    Yields what reads what was shown so far, on stdout and on stderr.
    """
    with open(1, "w", closefd=False) as out, open(2, "w", closefd=False) as err:

        def read() -> tuple[str, str]:
            out.flush()
            err.flush()
            return tuple(capfd.readouterr())

        with redirect_stdout(out), redirect_stderr(err):
            yield read


def chatter() -> None:
    """Everything that libraries do to a terminal, from Python, native code, loggers, warnings and children."""
    print("printed")
    print("complained", file=sys.stderr)
    os.write(1, b"native out\n")
    os.write(2, b"native err\n")
    logging.getLogger("library").error("logged")
    warnings.warn("warned", stacklevel=1)
    subprocess.run([sys.executable, "-c", "print('child')"], check=True)


class TestQuiet:
    @pytest.mark.filterwarnings("error")
    def test_nothing_of_it_reaches_the_terminal(self, capfd):
        with terminal(capfd) as read:
            with quiet():
                chatter()
            assert read() == ("", "")

    def test_afterwards_everything_is_as_before(self, capfd):
        filters = list(warnings.filters)
        with terminal(capfd) as read:
            logging.disable(logging.DEBUG)  # any level of the caller's own
            with quiet():
                pass
            level = logging.root.manager.disable
            logging.disable(logging.NOTSET)
            assert (level, list(warnings.filters)) == (logging.DEBUG, filters)
            print("printed", flush=True)
            os.write(1, b"native out\n")
            os.write(2, b"native err\n")
            assert read() == ("printed\nnative out\n", "native err\n")

    def test_what_was_printed_before_comes_out_before(self, capfd):
        with terminal(capfd) as read:
            print("first", end="")
            with quiet():
                print("hidden")
            print(", second")
            assert read() == ("first, second\n", "")

    def test_an_exception_brings_the_last_hidden_lines_along(self, capfd):
        def fail() -> None:
            with quiet():
                for number in range(20):
                    os.write(2, b"line %d\n" % number)
                raise RuntimeError("lowering failed")

        with terminal(capfd) as read:
            with pytest.raises(RuntimeError, match="lowering failed") as caught:
                fail()
            assert caught.value.__notes__ == [f"line {number}" for number in range(8, 20)]
            os.write(2, b"visible again\n")
            assert read() == ("", "visible again\n")

    def test_may_be_nested(self, capfd):
        with terminal(capfd) as read:
            with quiet():
                with quiet():
                    print("inner")
                print("outer")
            print("shown")
            assert read() == ("shown\n", "")

    @pytest.mark.skipif(not OPEN_FILES.is_dir(), reason="the system does not list open files")
    def test_leaves_no_file_open(self):
        before = len(list(OPEN_FILES.iterdir()))
        with quiet():
            pass
        assert len(list(OPEN_FILES.iterdir())) == before


class TestSteps:
    def test_each_is_shown_on_stderr_past_what_is_hidden(self, capfd):
        with terminal(capfd) as read:
            steps = Steps()
            with steps.step("lower to XNNPACK"):
                chatter()
                steps.say("still here")
            steps.say("[1/3] done")  # square brackets are no markup
            out, err = read()
        assert out == ""
        started, within, finished, said = err.splitlines()
        assert started == "  lower to XNNPACK ..."
        assert within == "still here"
        assert finished.startswith("  lower to XNNPACK  ")
        assert finished.endswith(" s")
        assert said == "[1/3] done"

    def test_times_are_kept_by_name(self, monkeypatch):
        clock = iter([10.0, 12.5, 20.0, 20.25])
        monkeypatch.setattr("minivlm.console.time.perf_counter", lambda: next(clock))
        steps = Steps()
        with steps.step("load"):
            pass
        with steps.step("run"):
            pass
        assert steps.seconds == {"load": 2.5, "run": 0.25}

    def test_one_that_fails_is_not_reported_as_done(self, capfd):
        steps = Steps()

        def fail() -> None:
            with steps.step("load"):
                raise RuntimeError

        with pytest.raises(RuntimeError):
            fail()
        assert steps.seconds == {}
        assert capfd.readouterr().err == "  load ...\n"
