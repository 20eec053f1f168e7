"""A photo's regions, a caption and an answer from an .mlpackage, with Core ML, NumPy and Pillow; on a Mac.

python examples/run_coreml.py artifacts/minivlm-coreml-fp16.mlpackage photo.jpg "what colour is the roof?"
"""

from pathlib import Path
from typing import Any

import coremltools
from feeding import Arrays, Run, main


def open_artifact(artifact: Path, sidecar: dict[str, Any]) -> Run:
    """Open a package with a function for each method."""
    models: dict[str, Any] = {}

    def run(method: str, inputs: Arrays) -> Arrays:
        if method not in models:
            models[method] = coremltools.models.MLModel(str(artifact), function_name=method)
        return models[method].predict(inputs)

    return run


if __name__ == "__main__":
    main(open_artifact, __doc__ or "")
