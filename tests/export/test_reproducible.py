"""The same commands twice make the same artifacts, byte by byte.

Each time in a process of its own, which begins with another hash seed, and with converters that number what they make
on and on. One process makes an artifact in every format, as starting Python and its converters takes longer than that.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from export.core.formats import FORMATS, artifact_path
from export.core.sidecar import Sidecar

ROOT = Path(__file__).parents[2]
SCRIPT = """
import sys
from export.core.formats import FORMATS
from export.flow.command import run_exporter

for target in FORMATS.values():
    run_exporter(target, "", sys.argv[1:])
"""


@pytest.fixture(
    scope="module",
    params=[
        ("minilm-tiny", "int8"),
        pytest.param(("tee-tiny", "fp32"), marks=pytest.mark.full),
        pytest.param(("tee-tiny", "int8"), marks=pytest.mark.full),
    ],
    ids="-".join,
)
def twice(request, tmp_path_factory):
    """Returns the artifacts of both processes in a format."""
    model, precision = request.param
    folders = [tmp_path_factory.mktemp(name) for name in ("first", "second")]
    for folder in folders:
        flags = ["--model", model, "--precision", precision, "--output", str(folder)]
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, *flags], capture_output=True, text=True, check=False, cwd=ROOT
        )
        assert done.returncode == 0, done.stderr
    return lambda runtime: [artifact_path(folder, model, FORMATS[runtime], precision) for folder in folders]


@pytest.mark.parametrize("runtime", FORMATS)
def test_the_same_command_twice_gives_the_same_bytes(twice, runtime):
    first, second = (Sidecar.read(artifact) for artifact in twice(runtime))
    assert first.sha256 == second.sha256
