"""A photo's regions, a caption and an answer from a .tflite file, with LiteRT, NumPy and Pillow.

python examples/run_litert.py artifacts/minivlm-litert-fp32.tflite photo.jpg "what colour is the roof?"
"""

from pathlib import Path
from typing import Any

from ai_edge_litert.interpreter import Interpreter
from feeding import Arrays, Run, main


def open_artifact(artifact: Path, sidecar: dict[str, Any]) -> Run:
    """Open a file with a signature for each method."""
    interpreter = Interpreter(model_path=str(artifact))
    runners = {method["name"]: interpreter.get_signature_runner(method["name"]) for method in sidecar["methods"]}

    def run(method: str, inputs: Arrays) -> Arrays:
        return runners[method](**inputs)

    return run


if __name__ == "__main__":
    main(open_artifact, __doc__ or "")
