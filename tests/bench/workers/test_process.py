"""Processes that answer, crash, hang or say nothing."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.workers.process import ask


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
