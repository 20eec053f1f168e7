"""The exporter to ExecuTorch as a command that must be refused, and checkpoints to give it."""

from pathlib import Path

import pytest

from export import to_executorch
from minivlm.errors import run_command
from minivlm.weights import checkpoint
from minivlm.weights.checkpoint import CheckpointInfo
from minivlm.weights.loading import create_model


def refused(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    """Run the command; returns its one line of complaint."""
    with pytest.raises(SystemExit) as caught:
        run_command(lambda: to_executorch.main(argv))
    assert caught.value.code == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    (line,) = shown.err.splitlines()
    assert line.startswith("error: ")
    return line


def save(folder: Path, model: str, name: str | None = None) -> Path:
    checkpoint.save(folder, create_model(model), CheckpointInfo(name or model, origin="trained", random=False))
    return folder
