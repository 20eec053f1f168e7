"""A command's steps are shown with their time; what libraries print meanwhile is not, unless something fails."""

import logging
import os
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from minivlm.console import Steps
from minivlm.quiet import overheard, quiet, without_announcements

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

    def test_blocks_of_other_threads_end_in_any_order(self, capfd):
        """The first to begin ends first, while the other still hides; then everything is as before."""
        inside, leave = threading.Event(), threading.Event()

        def hide() -> None:
            with quiet():
                inside.set()
                leave.wait()

        filters, level = list(warnings.filters), logging.root.manager.disable
        with terminal(capfd) as read:
            other = threading.Thread(target=hide)
            with quiet():
                other.start()
                inside.wait()
            chatter()
            leave.set()
            other.join()
            print("shown", flush=True)
            os.write(2, b"native err\n")
            assert read() == ("shown\n", "native err\n")
        assert (list(warnings.filters), logging.root.manager.disable) == (filters, level)

    def test_an_exception_brings_only_lines_of_its_own_block(self):
        def fail() -> None:
            with quiet():
                os.write(2, b"inner\n")
                raise RuntimeError

        with quiet():
            os.write(2, b"outer\n")
            with pytest.raises(RuntimeError) as caught:
                fail()
        assert caught.value.__notes__ == ["inner"]

    def test_a_process_forked_while_another_thread_hides_shows_what_it_prints(self):
        assert run_script(FORKED) == "the child\nthe parent\n"

    def test_a_process_forked_within_hides_until_the_block_ends(self):
        assert run_script(FORKED_WITHIN) == "the child\nthe parent\n"

    def test_after_many_threads_stdout_is_there(self):
        assert run_script(MANY_THREADS) == "".join(f"{number}\n" for number in range(16))

    @pytest.mark.parametrize("closed", [1, 2])
    def test_a_stream_that_is_closed_is_left_alone(self, closed):
        other = 3 - closed
        script = f"from minivlm.quiet import quiet\nimport os\nwith quiet(): pass\nos.write({other}, b'open\\n')"
        shell = ["sh", "-c", f'exec "$0" -c "$1" {closed}>&-', sys.executable, script]
        done = subprocess.run(shell, capture_output=True, text=True, check=True)
        assert (done.stdout, done.stderr) == (("open\n", "") if other == 1 else ("", "open\n"))


class TestWithoutAnnouncements:
    def test_hides_stderr_and_leaves_stdout_to_others(self, capfd):
        with terminal(capfd) as read:
            with without_announcements():
                os.write(1, b"another thread\n")
                os.write(2, b"Created delegate\n")
            os.write(2, b"visible again\n")
            assert read() == ("another thread\n", "visible again\n")

    def test_within_and_around_quiet(self, capfd):
        with terminal(capfd) as read:
            with quiet():
                with without_announcements():
                    os.write(2, b"announced\n")
                chatter()
            with without_announcements():
                with quiet():
                    chatter()
                os.write(2, b"announced\n")
            os.write(2, b"visible again\n")
            assert read() == ("", "visible again\n")


def run_script(script: str) -> str:
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout


FORKED = """
import os, threading
from minivlm.quiet import quiet

inside, leave = threading.Event(), threading.Event()

def hide():
    with quiet():
        inside.set()
        leave.wait()

thread = threading.Thread(target=hide)
thread.start()
inside.wait()
child = os.fork()
if child == 0:
    with quiet():
        print("hidden")
    print("the child", flush=True)
    os._exit(0)
os.waitpid(child, 0)
leave.set()
thread.join()
print("the parent")
"""

FORKED_WITHIN = """
import os
from minivlm.quiet import quiet

with quiet():
    child = os.fork()
    print("hidden")
if child == 0:
    print("the child", flush=True)
    os._exit(0)
os.waitpid(child, 0)
print("the parent")
"""

MANY_THREADS = """
import threading
from minivlm.quiet import quiet, without_announcements

def work():
    for _ in range(200):
        with quiet(), without_announcements():
            print("hidden")

threads = [threading.Thread(target=work) for _ in range(16)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
for number in range(16):
    print(number)
"""


class TestOverheard:
    def test_tells_what_native_code_said_on_stderr_since_the_block_began(self, capfd):
        with quiet():
            os.write(2, b"before\n")
            with overheard() as said:
                os.write(2, b"adapter\n")
                os.write(1, b"not this\n")
                assert said() == "adapter\n"
                os.write(2, b"and more\n")
                assert said() == "adapter\nand more\n"
        assert capfd.readouterr() == ("", "")


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
        assert capfd.readouterr().err == "  load ...\n"


class TestManners:
    """What is shown where nobody waits at a terminal."""

    def test_a_stage_says_nothing_and_many_rounds_of_it_every_tenth(self, capfd):
        steps = Steps()
        for number in range(1, 26):
            with steps.stage("regions", number=number, of=25):
                pass
        with steps.stage("caption"):
            pass
        assert capfd.readouterr().err.splitlines() == ["regions 10/25", "regions 20/25"]
        assert list(steps.seconds) == ["regions", "caption"]

    def test_small_things_are_counted_every_so_often(self, capfd):
        steps = Steps()
        with steps.counting("pictures", every=1000) as told:
            for number in range(1, 2501):
                told(number, 2500)
        assert capfd.readouterr().err.splitlines() == ["pictures 1,000/2,500", "pictures 2,000/2,500"]

    def test_and_in_leaps_whenever_another_so_many_are_done(self, capfd):
        steps = Steps()
        with steps.counting("regions", every=500) as told:
            for number in (256, 512, 768, 1024, 1100):
                told(number, 1100)
        assert capfd.readouterr().err.splitlines() == ["regions 512/1,100", "regions 1,024/1,100"]

    def test_what_takes_long_is_told_after_so_many_seconds(self, capfd, monkeypatch):
        clock = iter([0.0, 0.0, 10.0, 29.9, 30.0, 30.0, 45.0])  # asked once a line, and once more where one is printed
        monkeypatch.setattr("minivlm.console.time.monotonic", lambda: next(clock))
        with Steps().telling("train", every=30.0) as tell:
            for step in range(5):
                tell(f"step {step}")
        assert capfd.readouterr().err.splitlines() == ["train: step 0", "train: step 3"]

    def test_time_adds_up_also_of_what_fails(self, monkeypatch):
        clock = iter(range(100))
        monkeypatch.setattr("minivlm.console.time.perf_counter", lambda: float(next(clock)))
        steps = Steps()
        for _ in range(2):
            with steps.stage("regions"):
                pass
        with pytest.raises(OSError, match="gone"), steps.stage("regions"):
            raise OSError("gone")
        assert steps.seconds == {"regions": 3.0}
