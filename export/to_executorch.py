"""Export a model to ExecuTorch with XNNPACK, prove the file in the ExecuTorch runtime, and describe it.

    python export/to_executorch.py --model minivlm
    python export/to_executorch.py --model tee-0 --image-size 384x512 --output my-artifacts
    python export/to_executorch.py --model minilm --precision int8

Writes {model}-executorch-{precision}.pte and a .json beside it.
"""

from collections.abc import Sequence

from export.backends.executorch.format import FORMAT
from export.flow.command import run_exporter
from minivlm.errors import run_command


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    run_exporter(FORMAT, __doc__ or "", argv)


if __name__ == "__main__":
    run_command(main)
