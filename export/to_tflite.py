"""Export a model to LiteRT, verify the file in the LiteRT runtime, and describe it.

    python export/to_tflite.py --model minivlm
    python export/to_tflite.py --model tee-0 --precision int8 --calibration PHOTOS

Writes {model}-litert-{precision}.tflite, one signature a method, and a .json beside it.
"""

from collections.abc import Sequence

from export.backends.litert.format import FORMAT
from export.flow.command import run_exporter
from minivlm.errors import run_command


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    run_exporter(FORMAT, __doc__ or "", argv)


if __name__ == "__main__":
    run_command(main)
