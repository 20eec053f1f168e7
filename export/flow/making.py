"""One artifact after another, each exported in a process of its own."""

import sys
from dataclasses import dataclass
from pathlib import Path

from export.core.format import INTEGERS, Family
from export.core.formats import FORMATS, artifact_path, family_of
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
        calibration: Folder of photos, used where ranges are measured; None takes a photo that is there.
    """
    path = artifact_path(folder, model, FORMATS[runtime], precision)
    command = [sys.executable, str(FRONT), runtime, "--model", model, "--precision", precision]
    command += weights.flags()
    if calibration is not None and precision in INTEGERS and family_of(model) is not Family.TRANSFORMER:
        command += ["--calibration", str(calibration)]
    done = run_child([*command, "--output", str(folder)])
    if done.returncode == 0:
        return Made(path, Sidecar.read(path))
    said = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    last = (said or done.stderr.splitlines() or [f"exit code {done.returncode}"])[-1]
    return Made(path, None, last.removeprefix("error: "))
