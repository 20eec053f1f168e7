"""Two processes that share a batch, over gloo: the gradients of one process with the whole batch."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from minivlm.training import detection
from tests.training.shared_run import train_both

SCRIPT = Path(__file__).with_name("shared_run.py")
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, sampling = tmp_path_factory.mktemp("alone"), detection.ANCHOR_SAMPLING
    train_both(folder)
    detection.ANCHOR_SAMPLING = sampling
    return folder


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shared")
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    found = {**os.environ, "PYTHONPATH": str(ROOT)}  # the script imports this package
    done = subprocess.run([*launch, str(SCRIPT), str(folder)], capture_output=True, text=True, env=found)
    assert done.returncode == 0, done.stderr
    return folder


def log_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def test_every_step_is_that_of_the_whole_batch(alone: Path, shared: Path) -> None:
    one, two = (torch.load(folder / "linear" / "linear.pt", weights_only=True) for folder in (alone, shared))
    for key, value in one.items():
        torch.testing.assert_close(two[key], value, rtol=1e-5, atol=1e-6)  # sums in another order
    first, second = log_of(alone / "linear"), log_of(shared / "linear")
    assert [line["step"] for line in second] == [1, 2, 3, 4, 5, 6]  # each once, by one of the two
    for name in ("total", "half"):
        said = [line["losses"][name] for line in second]
        assert said == pytest.approx([line["losses"][name] for line in first], rel=1e-5)


def test_a_detectors_gradient_is_that_of_the_whole_batch(alone: Path, shared: Path) -> None:
    one, two = (load_file(folder / "detector" / "model.safetensors") for folder in (alone, shared))
    for key, value in one.items():
        torch.testing.assert_close(two[key], value, rtol=1e-4, atol=1e-6)  # sums in another order
    (first,), (second,) = log_of(alone / "detector"), log_of(shared / "detector")
    assert second["losses"] == pytest.approx(first["losses"], rel=1e-5)
    assert second["gradient"] == pytest.approx(first["gradient"], rel=1e-4)
