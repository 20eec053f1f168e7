"""Export a model to ExecuTorch with XNNPACK, Core ML or Vulkan, verify the file in its runtime, and describe it.

    python export/to_executorch.py --model minivlm
    python export/to_executorch.py --model tee-0 --image-size 384x512 --output my-artifacts
    python export/to_executorch.py --model minilm --precision int8
    python export/to_executorch.py --model tee-0 --delegate coreml --precision fp16

Writes {model}-executorch-{precision}.pte and a .json beside it; {model}-executorch-{delegate}-{precision}.pte where
XNNPACK only takes what another delegate leaves. A file for a delegate that nothing here runs is lowered and not proven.
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
