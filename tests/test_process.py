"""Streams that close or fill up, and signals: a command ends as a shell expects, and leaves nothing behind."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
PRINTS = "print('x' * 100_000)"
"""More than a pipe and Python's buffers hold."""
full_device = pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no device that is always full")


def shell(tmp_path: Path, body: str, redirections: str) -> subprocess.CompletedProcess[str]:
    """Run Python code as a command's `main`, with streams as a shell redirects them."""
    code = (
        f"import sys\nfrom minivlm.errors import run_command, UserError\ndef main():\n    {body}\nrun_command(main)\n"
    )
    (tmp_path / "command.py").write_text(code)
    line = f"{sys.executable} {tmp_path / 'command.py'} {redirections}"
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {line}"], capture_output=True, text=True, env=ENVIRONMENT, check=False
    )


class TestStdout:
    @pytest.mark.parametrize(
        "body", [PRINTS, f"{PRINTS}; sys.exit(1)", "\n    ".join(["for n in range(9999):", " print(n)"])]
    )
    def test_a_reader_that_stops_ends_it_in_silence(self, tmp_path, body):
        done = shell(tmp_path, body, "| true")
        assert (done.returncode, done.stderr) == (141, "")  # 128 + SIGPIPE, as shells have it

    @full_device
    @pytest.mark.parametrize("body", ["print('x')", PRINTS, "print('x'); sys.exit(0)"])
    def test_a_full_device_is_one_line(self, tmp_path, body):
        done = shell(tmp_path, body, "> /dev/full")
        assert done.returncode == 2
        assert done.stderr.startswith("error: cannot write to stdout: No space left on device")
        assert done.stderr.count("\n") == 1

    @full_device
    def test_who_swallows_the_error_hides_nothing(self, tmp_path):
        body = "try: print('x', flush=True)\n    except Exception: pass\n    print('y')"
        assert shell(tmp_path, body, "> /dev/full").returncode == 2

    def test_a_closed_one_takes_nothing(self, tmp_path):
        done = shell(tmp_path, "print('x')", ">&-")
        assert done.returncode == 2
        assert done.stderr.startswith("error: cannot write to stdout: Bad file descriptor")

    def test_a_closed_one_is_no_matter_to_a_command_that_prints_nothing(self, tmp_path):
        assert shell(tmp_path, "pass", ">&-").returncode == 0

    def test_the_next_file_does_not_take_its_place(self, tmp_path):
        body = f"import os; f = open({str(tmp_path / 'artifact')!r}, 'w'); f.write('kept'); f.close(); assert f; "
        body += f"g = open({str(tmp_path / 'artifact')!r}); assert g.fileno() > 2"
        assert shell(tmp_path, body, ">&- 2>&- <&-").returncode == 0

    def test_names_that_are_no_text_are_escaped(self, tmp_path):
        done = shell(tmp_path, "print('caf\\udce9')", "")
        assert (done.returncode, done.stdout) == (0, "caf\\udce9\n")


class TestStderr:
    @pytest.mark.parametrize("redirection", ["2>&-", pytest.param("2> /dev/full", marks=full_device), "2> >(true)"])
    def test_messages_that_nobody_reads_end_no_work(self, tmp_path, redirection):
        done = shell(tmp_path, "print('a note', file=sys.stderr); print('result')", redirection)
        assert (done.returncode, done.stdout) == (0, "result\n")

    @pytest.mark.parametrize("redirection", ["2>&-", ">&- 2>&-", ">&- 2>&- <&-"])
    def test_the_exit_code_is_there_all_the_same(self, tmp_path, redirection):
        assert shell(tmp_path, "raise UserError('no')", redirection).returncode == 2
        assert shell(tmp_path, "raise ValueError('no')", redirection).returncode == 70

    @pytest.mark.parametrize("redirection", ["2>&-", ">&- 2>&- <&-", pytest.param("2> /dev/full", marks=full_device)])
    def test_steps_and_stages_work_without_one(self, tmp_path, redirection):
        body = "from minivlm.console import Steps\n"
        body += "    with Steps().step('one'), Steps().stage('two'): print('chatter')"
        assert shell(tmp_path, body, redirection).returncode == 0


WAITS = """
import sys, time
from pathlib import Path
from minivlm.errors import run_command
from minivlm.storage.files import assembling, replacing
def main():
    with replacing(Path(sys.argv[1], "file")), assembling(Path(sys.argv[1], "folder")) as made:
        made.mkdir()
        print("ready", flush=True)
        time.sleep(600)
run_command(main)
"""


class TestSignals:
    def end(self, folder: Path, *numbers: signal.Signals, before: str = "") -> tuple[int, str]:
        """Return exit code and stderr of a command that writes and is ended by signals."""
        folder.mkdir()
        process = subprocess.Popen(
            [sys.executable, "-c", before + WAITS, str(folder)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT,
        )  # fmt: skip
        assert process.stdout.readline() == "ready\n"
        for number in numbers:
            process.send_signal(number)
        return process.wait(), process.communicate()[1]

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
    def test_nothing_half_written_is_left(self, tmp_path, number):
        code, err = self.end(tmp_path / "out", number)
        assert code == 128 + number
        assert err.count("\n") == 1
        assert list((tmp_path / "out").iterdir()) == []

    def test_being_told_twice_does_not_disturb_the_clearing_up(self, tmp_path):
        code, _ = self.end(tmp_path / "out", signal.SIGTERM, signal.SIGTERM, signal.SIGHUP)
        assert code in (128 + signal.SIGTERM, 128 + signal.SIGHUP)  # the system may deliver either first
        assert list((tmp_path / "out").iterdir()) == []

    def test_what_nohup_ignores_stays_ignored(self, tmp_path):
        before = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)"
        code, _ = self.end(tmp_path / "out", signal.SIGHUP, signal.SIGTERM, before=before)
        assert code == 128 + signal.SIGTERM

    def test_a_child_clears_up_as_well(self, tmp_path):
        (tmp_path / "child.py").write_text(WAITS.replace('print("ready", flush=True)', "Path(sys.argv[2]).touch()"))
        (tmp_path / "out").mkdir()
        parent = (
            "import sys; from minivlm.errors import run_command; from minivlm.process import run_child\n"
            "run_command(lambda: run_child([sys.executable, *sys.argv[1:]]))"
        )
        started = tmp_path / "started"
        command = [sys.executable, "-c", parent, str(tmp_path / "child.py"), str(tmp_path / "out"), str(started)]
        process = subprocess.Popen(command, env=ENVIRONMENT, stderr=subprocess.DEVNULL)
        while not started.exists():
            assert process.poll() is None
        process.terminate()
        assert process.wait() == 128 + signal.SIGTERM
        assert list((tmp_path / "out").iterdir()) == []
