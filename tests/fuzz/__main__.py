"""Do rounds of random command lines and damaged files, and stop for nothing that ends as it should.

    python -m tests.fuzz --rounds 20000
    python -m tests.fuzz --kinds records,photos --rounds 100000 --seed 7
    python -m tests.fuzz --kinds photos --only 1234            # one round again, with everything it says

Every round runs a command within this process: a worker, which a second process watches. A traceback, an exit code
without a meaning, more than one line, invalid JSON, leftovers, a crash and a hang are printed with their round; exit
code 1 says that there were some.
"""

import sys
import tempfile
from pathlib import Path

from minivlm.command_line import script_parser
from minivlm.errors import UserError, closest, run_command
from tests.fuzz.kinds import KINDS, Originals
from tests.fuzz.watched import watched


def main() -> None:
    """Run the command line."""
    parser = script_parser(__doc__)
    parser.add_argument("--rounds", type=int, default=1000, metavar="N", help="of each kind (default: %(default)s)")
    parser.add_argument("--kinds", default=",".join(KINDS), metavar="A,B", help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="first round (default: %(default)s)")
    parser.add_argument("--only", type=int, metavar="N", help="this round alone")
    arguments = parser.parse_args()
    kinds = arguments.kinds.split(",")
    for kind in kinds:
        if kind not in KINDS:
            raise UserError(f"--kinds: unknown {kind!r}: {closest(kind, list(KINDS))}")
    first = arguments.seed if arguments.only is None else arguments.only
    rounds = range(first, first + (arguments.rounds if arguments.only is None else 1))
    with tempfile.TemporaryDirectory() as name:
        originals = Originals.make(Path(name))
        if "artifacts" in kinds:
            originals.add_artifact()
        wrong = {kind: len(watched(kind, rounds, originals)) for kind in kinds}
    for kind, count in wrong.items():
        print(f"{kind}: {len(rounds)} rounds, {count} wrong")
    sys.exit(int(any(wrong.values())))


if __name__ == "__main__":
    run_command(main)
