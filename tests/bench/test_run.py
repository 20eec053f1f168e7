"""The benchmark's command: what it shows, what it leaves, and how it ends."""

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bench import run
from bench.records.file import read
from minivlm.errors import run_command
from minivlm.weights.making import make_random
from tests.bench.samples import FAILED
from tests.bench.session.costless import Machine

ROOT = Path(__file__).parents[2]


@pytest.fixture
def machine(monkeypatch) -> Machine:
    """In the place of this one."""
    made = Machine()
    monkeypatch.setattr(run, "device_class", lambda kind: lambda plan, steps: made)
    monkeypatch.setattr(run, "write_report", lambda records, folder: [folder / f"{len(records)}-records.html"])
    return made


def command(*argv: object) -> None:
    run.main([str(part) for part in argv])


def test_progress_goes_to_stderr_tables_to_stdout(tmp_path, machine, capfd):
    command("--output", tmp_path, "--threads", 1, "--repeats", 2)
    shown = capfd.readouterr()
    assert "[1/6] round 1 of 2: tee-0, pytorch, fp32, 1 thread" in shown.err
    assert "11.0 ± 0.5 ms in 3 runs" in shown.err
    assert "tee-0, pytorch" in shown.out
    assert "393.9" in shown.out, "the paper's value beside it"
    assert f"6 measurements, 0 failed, in {tmp_path / 'records.jsonl'}" in shown.out
    assert "6-records.html beside it" in shown.out


def test_interference_is_shown_at_once(tmp_path, machine, monkeypatch, capfd):
    measure = machine.measure
    monkeypatch.setattr(machine, "measure", lambda *args: replace(measure(*args), disturbed=["the clock fell"]))
    command("--output", tmp_path, "--repeats", 1)
    assert "; disturbed: the clock fell" in capfd.readouterr().err


def test_a_failure_is_shown_and_the_exit_code_says_so(tmp_path, machine, capfd):
    machine.broken = (machine.cases()[1],)
    with pytest.raises(SystemExit) as caught:
        command("--output", tmp_path, "--repeats", 1)
    assert caught.value.code == 1
    shown = capfd.readouterr()
    assert f"failed: {FAILED.error.reason}" in shown.err
    assert f"failed: tee-1, pytorch, fp32, 1 thread, round 1: {FAILED.error.reason}" in shown.out
    assert "2 measurements, 1 failed" in shown.out


def test_more_threads_than_cores_are_measured_with_a_word_of_warning(tmp_path, machine, capfd):
    many = machine.cores() + 1
    command("--output", tmp_path, "--threads", f"1,{many}", "--repeats", 1)
    assert f"{many} threads on {machine.cores()} cores" in capfd.readouterr().err
    assert len(machine.measured) == 3


class TestResume:
    def test_continues_with_the_settings_of_the_interrupted_run(self, tmp_path, machine, monkeypatch, capfd):
        measure = machine.measure

        def interrupted(*args):
            if len(machine.measured) == 4:
                raise KeyboardInterrupt
            return measure(*args)

        monkeypatch.setattr(machine, "measure", interrupted)
        with pytest.raises(SystemExit) as caught:
            run_command(lambda: command("--output", tmp_path, "--repeats", 3))
        assert caught.value.code == 130
        monkeypatch.setattr(machine, "measure", measure)
        command("--output", tmp_path, "--resume", "--repeats", 3)
        assert len(read(tmp_path / "records.jsonl")) == 9
        command("--output", tmp_path, "--resume")
        assert len(read(tmp_path / "records.jsonl")) == 9
        assert "nothing is missing" in capfd.readouterr().err

    def test_a_checkpoint_that_changed_meanwhile_is_refused_in_one_line(self, tmp_path, machine, capsys):
        folder, out = tmp_path / "mine", tmp_path / "out"
        make_random(folder, "minivlm-tiny", seed=1)
        command("--checkpoint", folder, "--output", out, "--repeats", 1)
        command("--output", out, "--resume")
        assert len(read(out / "records.jsonl")) == 3
        shutil.rmtree(folder)
        make_random(folder, "minivlm-tiny", seed=2)
        capsys.readouterr()
        with pytest.raises(SystemExit) as caught:
            run_command(lambda: command("--output", out, "--resume"))
        assert caught.value.code == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert "the weights are random (seed 2), sha256 " in line
        assert "began with random (seed 1), sha256 " in line

    def test_a_new_run_leaves_the_old_records(self, tmp_path, machine, capfd):
        for _ in range(2):
            command("--output", tmp_path, "--repeats", 1)
        assert len(read(tmp_path / "records.jsonl")) == 6
        assert "3 measurements, 0 failed" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("argv", "parts"),
    [
        (["--threads", "0"], ["--threads: '0'", "from 1 to"]),
        (["--resume"], ["nothing to resume"]),
        (["--models", "minlm"], ["did you mean minilm"]),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2_before_anything_is_measured(tmp_path, machine, capsys, argv, parts):
    with pytest.raises(SystemExit) as caught:
        run_command(lambda: command(*argv, "--output", tmp_path))
    assert caught.value.code == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    (line,) = shown.err.splitlines()
    assert line.startswith("error: ")
    assert all(part in line for part in parts)
    assert machine.measured == []
    assert not list(tmp_path.glob("**/*.jsonl"))


def test_as_a_process_a_mistake_is_one_line(tmp_path):
    done = subprocess.run(
        [sys.executable, ROOT / "bench" / "run.py", "--device", "cpu", "--threads", "0", "--output", tmp_path / "out"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert "Traceback" not in done.stderr
