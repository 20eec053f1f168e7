"""Export a model to any format of the table, verify the artifact in its runtime, and describe it.

    python -m export litert --model tee-0 --precision int8

The scripts beside this file, such as to_tflite.py, do the same for their format.
"""

import sys
from collections.abc import Sequence

from export.core.formats import FORMATS
from export.flow.command import run_exporter
from minivlm.errors import UserError, run_command, unknown


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line.

    Raises:
        UserError: The first word is no format.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or words[0] in ("-h", "--help"):
        print(f"usage: python -m export {{{','.join(FORMATS)}}} ...\n\n{__doc__ or ''}".rstrip())
        return
    if words[0] not in FORMATS:
        raise UserError(unknown("format", words[0], list(FORMATS)))
    run_exporter(FORMATS[words[0]], f"Export a model to {FORMATS[words[0]].title}.", words[1:])


if __name__ == "__main__":
    run_command(main)
