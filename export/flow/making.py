"""One artifact after another, each exported in a process of its own."""

import sys
from dataclasses import dataclass
from pathlib import Path

from export.core.calibration import photo_to_spare
from export.core.format import INTEGERS, Family
from export.core.formats import FORMATS, artifact_path, family_of
from export.core.request import CALIBRATION_SAMPLES
from export.core.sidecar import Sidecar
from export.core.weights import Weights
from minivlm.process import run_child

RANDOM = Weights()
FRONT = Path(__file__).parents[1] / "__main__.py"


@dataclass(frozen=True)
class Made:
    """What became of one artifact: its sidecar, or why there is none."""

    artifact: Path
    sidecar: Sidecar | None
    error: str = ""


def make(
    runtime: str,
    model: str,
    precision: str,
    folder: Path,
    weights: Weights = RANDOM,
    calibration: Path | None = None,
) -> Made:
    """Export one artifact in a process of its own: converters take gigabytes, and do not give them back.

    Args:
        runtime: Of the format.
        model: Name.
        precision: Such as "int8".
        folder: For the artifact and what is beside it.
        weights: Of the model.
        calibration: Folder of photos; ranges are measured on some, where any are, and the artifact is verified on
            another. None takes photos that are there.
    """
    path = artifact_path(folder, model, FORMATS[runtime], precision)
    command = [sys.executable, str(FRONT), runtime, "--model", model, "--precision", precision]
    command += weights.flags()
    if calibration is not None and family_of(model) is not Family.TRANSFORMER:
        spare = photo_to_spare(calibration, CALIBRATION_SAMPLES)
        command += ["--calibration", str(calibration)] if precision in INTEGERS else []
        command += [] if spare is None else ["--photo", str(spare)]
    done = run_child([*command, "--output", str(folder)])
    if done.returncode == 0:
        return Made(path, Sidecar.read(path))
    said = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    last = (said or done.stderr.splitlines() or [f"exit code {done.returncode}"])[-1]
    return Made(path, None, last.removeprefix("error: "))
