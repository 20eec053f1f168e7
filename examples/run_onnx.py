"""A photo's regions, a caption and an answer from an ONNX artifact, with ONNX Runtime, NumPy and Pillow.

python examples/run_onnx.py artifacts/minivlm-onnx-fp32.onnxpackage photo.jpg "what colour is the roof?"
"""

from pathlib import Path
from typing import Any

import onnxruntime
from feeding import Arrays, Run, main


def open_artifact(artifact: Path, sidecar: dict[str, Any]) -> Run:
    """Open one graph, or a folder with one for each method."""
    files = {
        method["name"]: artifact / f"{method['name']}.onnx" if artifact.is_dir() else artifact
        for method in sidecar["methods"]
    }
    sessions: dict[str, onnxruntime.InferenceSession] = {}

    def run(method: str, inputs: Arrays) -> Arrays:
        if method not in sessions:
            sessions[method] = onnxruntime.InferenceSession(files[method], providers=["CPUExecutionProvider"])
        names = [output.name for output in sessions[method].get_outputs()]
        return dict(zip(names, sessions[method].run(names, inputs), strict=True))

    return run


if __name__ == "__main__":
    main(open_artifact, __doc__ or "")
