"""The same command twice makes the same artifact, byte by byte.

Each command runs in a process of its own, as users run it: within one, converters number what they make on and on.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from export.core.formats import FORMATS, artifact_path
from export.core.sidecar import Sidecar

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("model", "precision"),
    [
        ("minilm-tiny", "int8"),
        pytest.param("tee-tiny", "fp32", marks=pytest.mark.full),
        pytest.param("tee-tiny", "int8", marks=pytest.mark.full),
    ],
)
@pytest.mark.parametrize("runtime", FORMATS)
def test_the_same_command_twice_gives_the_same_bytes(tmp_path, runtime, model, precision):
    target = FORMATS[runtime]
    folders = [tmp_path / "first", tmp_path / "second"]
    for folder in folders:
        command = [sys.executable, *target.command.split()[1:], "--model", model, "--precision", precision]
        subprocess.run([*command, "--output", str(folder)], check=True, capture_output=True, cwd=ROOT)
    first, second = (Sidecar.read(artifact_path(folder, model, target, precision)) for folder in folders)
    assert first.sha256 == second.sha256
