"""What libraries print is hidden, whatever way they print it, unless something fails."""

import logging
import os
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import pytest

from minivlm.quiet import overheard, quiet, without_announcements
from tests.terminal import chatter, terminal

OPEN_FILES = Path("/proc/self/fd")


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
