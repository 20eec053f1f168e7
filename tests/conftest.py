"""What all tests share: one thread, and artifacts that are exported once."""

import contextlib
import gc
import io
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from filelock import FileLock
from hypothesis import settings

from export.core.formats import FORMATS, artifact_path
from export.flow.command import run_exporter
from minivlm.images.photos import default_photo
from minivlm.vision.efficientnet import import_timm

settings.register_profile("any speed", deadline=None)  # machines are shared, and a slow one finds nothing
settings.load_profile("any speed")

# Exporters make graphs of very many small objects, of which few are garbage: by Python's own numbers, a tenth of an
# export's time and more goes into looking for it.
gc.set_threshold(50_000, 20, 10)


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """Models this small only lose by sharing work, and tests run beside each other."""
    torch.set_num_threads(1)


@dataclass(frozen=True)
class Exported:
    """What an exporter's command line made and printed."""

    artifact: Path
    stdout: str

    @property
    def sidecar(self) -> Path:
        return self.artifact.with_suffix(".json")


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of this run of tests, however many processes share it."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session")
def exported(shared_folder: Path) -> Callable[..., Exported]:
    """Export a model by a format's command line on first use; converting takes seconds to half a minute."""

    @cache
    def export(model: str, runtime: str = "executorch", precision: str = "fp32", delegate: str = "") -> Exported:
        target = FORMATS[runtime]
        folder = shared_folder / f"exported-{model}-{runtime}-{delegate}-{precision}"
        flags = ["--model", model, "--precision", precision, "--output", str(folder)]
        flags += ["--delegate", delegate] if delegate else []
        told = folder.with_name(f"{folder.name}.txt")
        with FileLock(folder.with_name(f"{folder.name}.lock")):
            if not told.exists():
                printed = io.StringIO()
                with contextlib.redirect_stdout(printed):
                    run_exporter(target, "", flags)
                told.write_text(printed.getvalue())
        return Exported(artifact_path(folder, model, target, precision, delegate), told.read_text())

    return export


@pytest.fixture(scope="session", params=["china.jpg", "flower.jpg"])
def photo_path(request: pytest.FixtureRequest) -> Path:
    """Both photos that scikit-learn ships: a sharp temple before a dull sky, and one flower before a blurred ground."""
    return default_photo().with_name(request.param)


@pytest.fixture(scope="session")
def transformers() -> Any:
    """The independent implementation that BERT's numbers and token ids come from."""
    pytest.importorskip("transformers")
    import_timm()  # transformers imports torchvision too, and needs the same help where its library does not load
    import transformers

    transformers.utils.logging.disable_progress_bar()
    return transformers
