"""Judge this working tree against another commit, both measured on this machine in turns.

    python bench/regress.py --base main
    python bench/regress.py --base v0.1.0 --models tee-0,minilm --runtimes executorch --threads 2 --repeats 20

The base is checked out into a temporary git worktree. Each side's own code exports its own artifacts and measures with
its own bench/run.py, by this Python. In every round and for every model and runtime, two fresh processes, one a side,
are alive at once and take turns of some hundredths of a second, bound to the same cores; chance decides which is first.
So whatever the machine does hits both. Records go to OUTPUT/base.jsonl and OUTPUT/new.jsonl; exit codes and output
files are those of bench/compare.py.
"""

import argparse
import math
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from bench.compare import add_output_flags, outputs, report
from bench.judging.power import Question, recommended_repeats
from bench.judging.quantities import SCATTERED
from bench.judging.verdict import judge
from bench.judging.worktree import checked_out
from bench.machine.environment import available_cores
from bench.measure.turns import VARIABLE, Conductor, conducting
from bench.record_file import append, read
from bench.records import Record
from minivlm.command_line import integer_argument, path_argument, script_parser
from minivlm.console import Steps
from minivlm.errors import UserError, run_command
from minivlm.files import check_outputs, is_file
from minivlm.process import end_group

REPOSITORY = Path(__file__).resolve().parents[1]
SHOWN = math.log(1.05)
"""Change of a latency that the default number of rounds finds in 9 of 10 cases; docs/verdict.md proves it."""
(LATENCY,) = (kind for kind in SCATTERED if kind.name == "latency")
POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Side:
    """One state of the code.

    Attributes:
        name: "base" or "new".
        tree: Its files.
        work: Folder for its artifacts and records.
    """

    name: str
    tree: Path
    work: Path

    def start(self, flags: Sequence[str], output: Path, socket: Path | None) -> subprocess.Popen[str]:
        """Start this side's benchmark, in a process group of its own."""
        command = [sys.executable, "bench/run.py", "--device", "cpu", "--repeats", "1", *flags]
        command += ["--output", str(output), "--artifacts", str(self.work / "artifacts")]
        environment = {**os.environ, "PYTHONPATH": str(self.tree)}
        if socket is not None:
            environment[VARIABLE] = str(socket)
        return subprocess.Popen(
            command, cwd=self.tree, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            start_new_session=True,
        )  # fmt: skip


def measure_pair(sides: Sequence[Side], flags: Sequence[str], turns: bool) -> dict[str, list[Record]]:
    """Measure one combination once on each side.

    Args:
        sides: In the order in which they start.
        flags: Of bench/run.py, that choose one combination.
        turns: Whether both are alive at once and take turns; otherwise one runs after the other.

    Returns:
        Records by the side's name; none where it refused the combination.
    """
    found = {}
    with tempfile.TemporaryDirectory(prefix="round-") as folder, ExitStack() as stack:
        conductor = stack.enter_context(conducting(len(sides))) if turns else None
        running: dict[str, subprocess.Popen[str]] = {}
        for side in sides:
            process = side.start(flags, Path(folder) / side.name, conductor.path if conductor else None)
            stack.callback(end_group, process)
            running[side.name] = process
            if conductor is None:
                process.communicate()
            else:
                _wait_until_loaded(process, conductor)
        for name, process in running.items():
            errors = process.communicate()[1] if turns else ""
            path = Path(folder) / name / "records.jsonl"
            found[name] = read(path) if is_file(path) else []
            if not found[name] and turns:
                last = (errors.strip().splitlines() or [f"exit code {process.returncode}"])[-1]
                raise UserError(f"{name} stopped measuring: {last.removeprefix('error: ')}")
    return found


def _wait_until_loaded(process: subprocess.Popen[str], conductor: Conductor) -> None:
    """Wait until a side asks for its first turn, so that nothing is loaded while another is measured.

    A base from before there were turns never asks; it ends, and the other side goes on alone.
    """
    while not conductor.wait_for_one(POLL_SECONDS):
        if process.poll() is not None:
            conductor.expect_fewer()
            return


def prepare(sides: Sequence[Side], plans: Mapping[str, Sequence[str]], steps: Steps) -> dict[str, Sequence[str]]:
    """Let each side make its artifacts and measure once, unjudged; returns the combinations that both can measure.

    Raises:
        UserError: None is left.
    """
    kept = {}
    for name, flags in plans.items():
        with steps.step(f"{name}: make artifacts, warm up"):
            found = measure_pair(sides, flags, turns=False)
        if all(found.values()):
            kept[name] = flags
        else:
            steps.say(f"  {name} is left out: {' and '.join(side for side in found if not found[side])} refused it")
    if not kept:
        raise UserError("neither combination can be measured on both sides: see python bench/run.py --help for names")
    return kept


def measure(
    sides: Sequence[Side], plans: Mapping[str, Sequence[str]], repeats: int, output: Path, steps: Steps
) -> None:
    """Measure all combinations in rounds; every record is on disk before the next is measured."""
    run = f"regress-{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}"
    for side in sides:
        (output / f"{side.name}.jsonl").unlink(missing_ok=True)
    for number in range(repeats):
        for name, flags in plans.items():
            with steps.step(f"[{number + 1}/{repeats}] {name}"):
                found = measure_pair(random.sample(sides, len(sides)), flags, turns=True)
            for side_name, records in found.items():
                for record in records:
                    append(output / f"{side_name}.jsonl", replace(record, run=run, round=number))


def bind(threads: int) -> None:
    """Bind this process and all that it starts to as many cores as threads, where the system can and has them."""
    if hasattr(os, "sched_setaffinity") and threads < available_cores():
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-threads:])


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse and check the command line.

    Raises:
        UserError: Fewer than one thread or repeat.
    """
    parser = script_parser(__doc__)
    add = parser.add_argument
    add("--base", required=True, metavar="GIT_REF", help="commit, branch or tag to compare with")
    add("--models", default="tee-0,minilm", metavar="A,B", help="default: %(default)s")
    add("--runtimes", default="pytorch,executorch", metavar="A,B", help="default: %(default)s")
    add("--threads", type=integer_argument, default=1, help="of each runtime (default: %(default)s)")
    add("--profile", default="quick", help="of bench/run.py (default: %(default)s)")
    add("--repeats", type=integer_argument, metavar="N", help="rounds (default: enough for 5 %%, see docs/verdict.md)")
    add("--output", type=path_argument, default=Path("results/regress"), metavar="DIR", help="default: %(default)s")
    add_output_flags(parser)
    arguments = parser.parse_args(argv)
    check_outputs([*outputs(arguments), *(arguments.output / f"{side}.jsonl" for side in ("base", "new"))])
    for flag in ("threads", "repeats"):
        value = getattr(arguments, flag)
        if value is not None and value < 1:
            raise UserError(f"--{flag} {value}: give at least 1")
    return arguments


def combinations(arguments: argparse.Namespace) -> dict[str, Sequence[str]]:
    """Return by name the flags of bench/run.py for each combination."""
    common = ("--threads", str(arguments.threads), "--profile", arguments.profile)
    models, runtimes = (
        [part.strip() for part in text.split(",") if part.strip()] for text in (arguments.models, arguments.runtimes)
    )
    return {
        f"{model}, {runtime}": ("--models", model, "--runtimes", runtime, *common)
        for model in models
        for runtime in runtimes
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    arguments = parse(argv)
    steps = Steps()
    bind(arguments.threads)
    with checked_out(REPOSITORY, arguments.base) as tree, tempfile.TemporaryDirectory(prefix="regress-") as work:
        sides = [Side("base", tree, Path(work) / "base"), Side("new", REPOSITORY, Path(work) / "new")]
        plans = prepare(sides, combinations(arguments), steps)
        question = Question(paired=True, floor=LATENCY.log_floor, comparisons=len(plans) * len(SCATTERED))
        repeats = arguments.repeats or recommended_repeats(SHOWN, question)
        if repeats < question.least:
            steps.say(f"--repeats {repeats} can show no change of any time: at least {question.least} are needed")
        measure(sides, plans, repeats, arguments.output, steps)
    base, new = (read(arguments.output / f"{side.name}.jsonl") for side in sides)
    sys.exit(report(judge(base, new), arguments))


if __name__ == "__main__":
    run_command(main)
