"""What all tests share: one thread, and artifacts that are exported once."""

import contextlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
import torch

from minivlm.photos import default_photo


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """Models this small only lose by sharing work, and tests run beside each other."""
    torch.set_num_threads(1)


@dataclass(frozen=True)
class Exported:
    """What `export/to_executorch.py` made and printed."""

    artifact: Path
    stdout: str

    @property
    def sidecar(self) -> Path:
        return self.artifact.with_suffix(".json")


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Exported]:
    """Export a model by its command line on first use; lowering takes seconds to half a minute."""

    @cache
    def export(model: str) -> Exported:
        from export.to_executorch import main

        folder = tmp_path_factory.mktemp(model)
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            main(["--model", model, "--output", str(folder)])
        return Exported(folder / f"{model}-executorch-fp32.pte", printed.getvalue())

    return export


@pytest.fixture(scope="session", params=["china.jpg", "flower.jpg"])
def photo_path(request: pytest.FixtureRequest) -> Path:
    """Both photos that scikit-learn ships: a sharp temple before a dull sky, and one flower before a blurred ground."""
    return default_photo().with_name(request.param)
