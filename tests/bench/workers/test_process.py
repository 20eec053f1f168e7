"""Processes that answer, crash, hang or say nothing."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.workers.process import ask, ask_in_turns


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def failure(code: str, silence: float = 60.0):
    answer = ask("question", silence, python(code))
    assert answer.line == ""
    assert answer.failure is not None
    assert "\n" not in answer.failure.reason
    return answer.failure


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def wait_for_end(pid: int) -> bool:
    """Tell whether a process ends within a minute."""
    for _ in range(600):
        if not alive(pid):
            return True
        time.sleep(0.1)
    return False


def test_the_last_line_is_the_answer():
    answer = ask("a question", 60.0, python("text = input(); print(); print('noise'); print(text.upper())"))
    assert answer.line == "A QUESTION"
    assert answer.failure is None


def test_a_crash_is_named_with_the_last_lines_of_stderr():
    code = "import os, sys; [print(f'line {n}', file=sys.stderr) for n in range(30)]; sys.stderr.flush(); os.abort()"
    found = failure(code)
    assert found.reason == "killed by SIGABRT"
    assert found.exit == -6
    assert found.stderr[-1] == "line 29"
    assert len(found.stderr) == 12


def test_a_crash_before_the_question_is_read_is_named_too():
    assert failure("import os; os.kill(os.getpid(), 11)").reason == "killed by SIGSEGV"


def test_a_mistake_of_the_user_s_is_told_as_it_is():
    found = failure("import sys; print('error: no such model', file=sys.stderr); sys.exit(2)")
    assert (found.reason, found.exit) == ("no such model", 2)


def test_an_exception_is_named_by_its_last_line():
    found = failure("raise RuntimeError('out of tensors')")
    assert found.reason == "ended with exit code 1: RuntimeError: out of tensors"


def test_ending_well_without_an_answer_is_a_failure():
    assert failure("pass").reason == "ended with exit code 0 and no answer"


def test_one_that_hangs_is_stopped_and_so_is_what_it_started():
    code = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
print("begun", child.pid, file=sys.stderr, flush=True)
time.sleep(3600)
"""
    found = failure(code, silence=8.0)
    assert "nothing finished within 8 s (--timeout)" in found.reason
    assert found.exit is None
    (line,) = found.stderr
    assert wait_for_end(int(line.split()[1]))


def test_one_that_shows_progress_may_take_longer():
    code = "import time\nfor _ in range(9): time.sleep(1); print(flush=True)\nprint('done')"
    assert ask("question", 8.0, python(code)).line == "done"  # 9 s in all


IN_TURNS = """
from bench.workers.turns import Turn
name, log = input().split()
if name == "dies":
    raise SystemExit("no memory")
with Turn() as turn:
    for _ in range(3):
        turn.take()
        with open(log, "a") as file:
            print(name, file=file)
        print(flush=True)
        while __import__("time").perf_counter() - turn._since < 0.04:  # longer than a slice
            pass
print(name.upper())
"""


def test_several_are_alive_at_once_and_take_turns(tmp_path):
    log = tmp_path / "log"
    answers = ask_in_turns([f"{name} {log}" for name in ("a", "b", "c")], 60.0, python(IN_TURNS))
    assert [answer.line for answer in answers] == ["A", "B", "C"]
    rounds = log.read_text().split()
    assert [set(rounds[place : place + 3]) for place in (0, 3, 6)] == [{"a", "b", "c"}] * 3


def test_one_of_several_that_dies_holds_nobody_up(tmp_path):
    answers = ask_in_turns([f"{name} {tmp_path / 'log'}" for name in ("a", "dies", "b")], 60.0, python(IN_TURNS))
    assert [answer.line for answer in answers] == ["A", "", "B"]
    assert answers[1].failure.reason == "ended with exit code 1: no memory"


def test_one_of_several_that_hangs_is_stopped_and_the_others_go_on(tmp_path):
    code = IN_TURNS.replace('raise SystemExit("no memory")', "__import__('time').sleep(3600)")
    answers = ask_in_turns([f"{name} {tmp_path / 'log'}" for name in ("dies", "a")], 10.0, python(code))
    assert "nothing finished within 10 s (--timeout)" in answers[0].failure.reason
    assert answers[1].line == "A"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_whoever_is_interrupted_ends_all_of_several(tmp_path):
    """As a process, to which Ctrl-C comes while its workers take turns."""
    code = f"""
from bench.workers import process
import sys
worker = "import os, time; from bench.workers.turns import Turn; turn = Turn(); turn.take(); " \
    "open(os.path.join({str(tmp_path)!r}, str(os.getpid())), 'w').close(); time.sleep(3600)"
process.ask_in_turns(["question"] * 2, 3600.0, [sys.executable, "-c", worker])
"""
    caller = subprocess.Popen(python(code), stderr=subprocess.DEVNULL)
    while not list(tmp_path.iterdir()):
        time.sleep(0.1)
    (worker,) = (int(path.name) for path in tmp_path.iterdir())  # the other one waits for its turn
    caller.send_signal(signal.SIGINT)
    assert caller.wait(60.0) != 0
    assert wait_for_end(worker)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_worker_ends_when_its_caller_is_killed(tmp_path):
    """As a process, which is killed while the worker waits for a caption that never comes."""
    code = f"""
from bench.workers import process
import sys
worker = ["-c", "import threading, time, os, sys; from bench.workers.answering import end_with_caller; "
    "threading.Thread(target=end_with_caller, daemon=True).start(); "
    "open({str(tmp_path / "pid")!r}, 'w').write(str(os.getpid())); time.sleep(3600)"]
process.ask("question", 3600.0, [sys.executable, *worker])
"""
    caller = subprocess.Popen(python(code))
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
        time.sleep(0.1)
    worker = int((tmp_path / "pid").read_text())
    assert alive(worker)
    os.kill(caller.pid, 9)
    caller.wait()
    assert wait_for_end(worker)
