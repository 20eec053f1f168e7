"""Commands of `minivlm` one after another, each run once: a study that was interrupted goes on where it was."""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from minivlm.cli.main import main
from minivlm.errors import UserError
from minivlm.storage.files import exists, write_text
from minivlm.storage.json_files import read_object
from minivlm.storage.json_text import json_text


def run_once(done: Path, command: Sequence[object]) -> None:
    """Run a command in this process, unless it came to its end before.

    Args:
        done: Written at its end.
        command: Arguments of `minivlm`; those that can be gone on with must say `--resume`.

    Raises:
        UserError: Another command was run for this.
    """
    told = [str(argument) for argument in command]
    if exists(done):
        before = read_object(done, "a command that was run", "name another --output").get("command")
        if before != told:
            said = shlex.join(map(str, before)) if isinstance(before, list) else "nothing"
            raise UserError(f"{done} was made by {said}, and now it is {shlex.join(told)}: name another --output")
        return
    print(f"$ minivlm {shlex.join(told)}", file=sys.stderr)
    main(told)
    write_text(done, f"{json_text({'command': told})}\n")
