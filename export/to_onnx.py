"""Export a model to ONNX, verify the file in ONNX Runtime, and describe it.

    python export/to_onnx.py --model tee-0
    python export/to_onnx.py --model minivlm --precision int8

Writes {model}-onnx-{precision}.onnx, for a whole model the folder {model}-onnx-{precision}.onnxpackage, and a .json
beside it.
"""

from collections.abc import Sequence

from export.backends.onnx.format import FORMAT
from export.flow.command import run_exporter
from minivlm.errors import run_command


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    run_exporter(FORMAT, __doc__ or "", argv)


if __name__ == "__main__":
    run_command(main)
