"""Write the pieces in which an Android app runs a LiteRT artifact on the phone's GPU.

    python export/gpu_pieces.py artifacts/minivlm-litert-fp32.tflite

LiteRT's GPU accelerator takes one part of a graph and computes indices in float, so a method is cut before it sees it:
docs/accelerators.md. The pieces go into a folder beside the artifact, ...-pieces, and with it to the phone.
"""

from collections.abc import Sequence
from pathlib import Path

from export.backends.litert.piece_files import pieces_folder, write_pieces
from export.core.formats import FORMATS, check_accelerator
from export.core.sidecar import Sidecar
from minivlm.command_line import path_argument, script_parser
from minivlm.console import Steps
from minivlm.errors import UserError, run_command


def write(artifact: Path, steps: Steps) -> Path:
    """Write an artifact's pieces beside it, and return their folder.

    Raises:
        UserError: It is no artifact of LiteRT, the GPU does not compute what it stores, or the disk is full.
    """
    sidecar = Sidecar.read(artifact)
    target = FORMATS["litert"]
    if sidecar.runtime != target.runtime:
        raise UserError(
            f"{artifact} is for {sidecar.target}, and pieces are of LiteRT's artifacts: take a .tflite file"
        )
    check_accelerator(target, sidecar.precision, "gpu")
    folder = pieces_folder(artifact)
    with steps.step(f"cut {artifact.name}"):
        write_pieces(artifact, folder)
    return folder


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = script_parser(__doc__ or "")
    parser.add_argument("artifact", type=path_argument, metavar="FILE", help="a .tflite file with its sidecar")
    folder = write(parser.parse_args(argv).artifact, Steps())
    print(f"{folder} has {sum(1 for _ in folder.glob('*.tflite'))} pieces")
    print("Next: copy it to the phone beside the artifact, as docs/phones-android.md says")


if __name__ == "__main__":
    run_command(main)
