"""Trainings that are killed at any moment, and several processes that train together: as processes, for real."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).with_name("tiny_run.py")
STEPS = 6


def start(folder: Path, *flags: str, before: Callable[[], None] | None = None) -> "subprocess.Popen[str]":
    command = [sys.executable, str(SCRIPT), str(folder), str(STEPS), *flags]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=before)


def finished(folder: Path, *flags: str) -> str:
    process = start(folder, *flags)
    _, said = process.communicate()
    assert process.returncode == 0, said
    return said


def lines(folder: Path) -> list[bytes]:
    path = folder / "log.jsonl"
    return path.read_bytes().splitlines(keepends=True) if path.exists() else []


def wait_for(folder: Path, count: int, process: "subprocess.Popen[str]") -> None:
    while len(lines(folder)) < count:
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)


def untimed(folder: Path) -> list[dict[str, Any]]:
    log = [json.loads(line) for line in lines(folder)]
    return [{key: value for key, value in line.items() if "second" not in key} for line in log]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training that was left alone."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    finished(folder)
    return folder


def test_a_training_that_was_killed_and_resumed_equals_one_that_was_not(whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    for count, later in ((1, 0.0), (3, 0.02), (4, 0.1)):  # in a step, or while the state is written after it
        process = start(folder, "--resume")
        wait_for(folder, count, process)
        time.sleep(later)
        process.kill()
        process.communicate()
    assert len(lines(folder)) < STEPS
    finished(folder, "--resume")
    assert (folder / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
    assert untimed(folder) == untimed(whole)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_the_state_and_says_how_to_go_on(tmp_path: Path, number: int, code: int) -> None:
    process = start(tmp_path / "run")
    wait_for(tmp_path / "run", 1, process)
    os.kill(process.pid, number)
    _, said = process.communicate()
    assert process.returncode == code
    steps = len(lines(tmp_path / "run"))
    assert f"stopped after step {steps} of {STEPS}, saved: the same with --resume goes on" in said
    assert "Traceback" not in said
    assert not list((tmp_path / "run").glob(".*"))


def test_a_full_disk_is_one_line_and_costs_nothing_that_was_kept(whole: Path, tmp_path: Path) -> None:
    def fill() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10**6, resource.RLIM_INFINITY))  # less than a state has

    process = start(tmp_path / "run", before=fill)
    _, said = process.communicate()
    assert process.returncode == 2, said
    assert said.splitlines()[-1].startswith(f"error: cannot write {tmp_path / 'run' / 'state.pt'}: the disk did not")
    assert "Traceback" not in said
    assert {path.name for path in (tmp_path / "run").iterdir()} == {"run.json", "log.jsonl"}
    finished(tmp_path / "run", "--resume")
    assert untimed(tmp_path / "run") == untimed(whole)
