"""Do rounds of random command lines and damaged files, and stop for nothing that ends as it should.

    python -m tests.fuzz --rounds 20000
    python -m tests.fuzz --kinds records,photos --rounds 100000 --seed 7
    python -m tests.fuzz --kinds photos --only 1234            # one round again, with everything it says

Every round runs a command within this process: a worker, which a second process watches. A traceback, an exit code
without a meaning, more than one line, invalid JSON, leftovers, a crash and a hang are printed with their round; exit
code 1 says that there were some.
"""

import multiprocessing
import sys
import tempfile
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from minivlm.command_line import script_parser
from minivlm.errors import UserError, closest, run_command
from tests.fuzz.kinds import KINDS, Originals, make_round
from tests.fuzz.outcome import complaint, drop_privileges

HANGS_AFTER = 120.0
"""Seconds without an end of a round after which it hangs; the longest takes a few."""


def work_through(kind: str, rounds: range, originals: Originals, talk: Connection) -> None:
    """Do rounds in this process; sends (round, what is wrong or None) after each."""
    drop_privileges()
    for number in rounds:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
            command = make_round(kind, originals, Path(name), number)
            talk.send((number, command.arguments, None))
            talk.send((number, command.arguments, complaint(command, Path(name)) or ""))


def watched(kind: str, rounds: range, originals: Originals) -> list[str]:
    """Do rounds in a process of its own, in a new one after each that died; returns what went wrong."""
    found = []
    start = rounds.start
    while start < rounds.stop:
        ours, theirs = multiprocessing.Pipe()
        left = range(start, rounds.stop)
        worker = multiprocessing.get_context("fork").Process(
            target=work_through, args=(kind, left, originals, theirs), daemon=True
        )
        worker.start()
        theirs.close()
        last: tuple[int, Any] = (start, ())
        try:
            while last[0] < rounds.stop:
                if not ours.poll(HANGS_AFTER):
                    found.append(describe(kind, last, f"hangs for {HANGS_AFTER:g} s"))
                    worker.kill()
                    break
                number, arguments, wrong = ours.recv()
                last = (number, arguments)
                if wrong:
                    found.append(describe(kind, last, wrong))
                if wrong is not None and number % 500 == 499:
                    print(f"  {kind}: {number + 1} rounds, {len(found)} wrong", file=sys.stderr, flush=True)
        except EOFError:
            worker.join()
            if worker.exitcode:
                found.append(describe(kind, last, f"the process died with {worker.exitcode}"))
        worker.join()
        start = rounds.stop if worker.exitcode == 0 else last[0] + 1
    return found


def describe(kind: str, last: tuple[int, Any], wrong: str) -> str:
    """Return a finding with what is needed to see it again."""
    line = f"{kind}, round {last[0]}: {list(last[1])!r:.600}\n{wrong.rstrip()}"
    print(line, flush=True)
    return line


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
