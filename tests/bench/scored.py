"""What scripts that score artifacts are given."""

from pathlib import Path

from export.core.formats import FORMATS
from export.flow.command import run_exporter
from minivlm.weights.making import make_random
from tests.evaluation.made import data_folder
from tests.tiny import NAME


def scored_folder(folder: Path, *data: str, artifacts: str = "artifacts") -> Path:
    """Make a random checkpoint in `checkpoint`, its fp32 artifact for ONNX Runtime, and data sets of these names."""
    make_random(folder / "checkpoint", NAME, seed=3)
    told = ["--model", NAME, "--checkpoint", str(folder / "checkpoint"), "--output", str(folder / artifacts)]
    run_exporter(FORMATS["onnx"], "", told)
    for name in data:
        data_folder(folder / name)
    return folder
