"""Export a model to Core ML, verify the package without a Mac, and describe it.

    python export/to_coreml.py --model minivlm --precision fp16
    python export/to_coreml.py --model tee-0 --precision int8 --calibration PHOTOS

Writes {model}-coreml-{precision}.mlpackage, which has a function for each method, and a .json beside it. int8 is static
for a detector's widest layers, inputs and weights; elsewhere weights are int8 and the computation is in fp16, because
Core ML has no dynamic quantization.
"""

from collections.abc import Sequence

from export.backends.coreml.format import FORMAT
from export.flow.command import run_exporter
from minivlm.errors import run_command


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    run_exporter(FORMAT, __doc__ or "", argv)


if __name__ == "__main__":
    run_command(main)
