"""What a fifth format takes: a folder and a line of the table. A toy is exported, verified, run and benchmarked."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bench.records.file import read
from minivlm.images.photos import default_photo

ROOT = Path(__file__).parents[2]
TOY = ROOT / "tests/fixtures/toy_backend"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the code with the toy's folder and its line."""
    folder = tmp_path_factory.mktemp("house")
    for package in ("minivlm", "export", "bench"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(TOY, folder / "export/backends/toy", ignore=shutil.ignore_patterns("__pycache__"))
    table = folder / "export/core/formats.py"
    before = table.read_text()
    after = before.replace('    "coreml",\n', '    "coreml",\n    "toy",\n')
    assert after != before
    table.write_text(after)
    return folder


def run(house: Path, *command: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *map(str, command)],
        cwd=house,
        env={**os.environ, "PYTHONPATH": str(house)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_is_exported_verified_and_benchmarked(house: Path) -> None:
    made = run(house, "-m", "export", "toy", "--model", "minilm-tiny", "--output", "artifacts")
    assert made.returncode == 0, made.stderr
    assert "caption_logits SQNR dB" in made.stdout
    measuring = ("--models", "minilm-tiny", "--profile", "quick", "--repeats", 1, "--threads", 1)
    measured = run(house, "bench/run.py", "--runtimes", "pytorch,toy", *measuring)
    assert measured.returncode == 0, measured.stderr
    assert [record.runtime for record in read(house / "results/records.jsonl")] == ["pytorch", "toy"]
    assert "minilm-tiny, toy" in measured.stdout


def test_is_in_every_list_of_formats(house: Path) -> None:
    assert "Toy" in run(house, "export/to_onnx.py", "--help").stdout
    assert "toy" in run(house, "bench/run.py", "--help").stdout
    assert "toy" in run(house, "export/everything.py", "--help").stdout
    refused = run(house, "-m", "export", "toy", "--model", "minilm-tiny", "--precision", "int8")
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "Toy takes no int8 transformer" in refused.stderr
    missing = run(house, "-m", "minivlm", "regions", default_photo(), "--artifact", "none.toy")
    assert "none.toy does not exist: make it with python -m export toy" in missing.stderr
