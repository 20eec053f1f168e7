"""Judge this working tree against another commit, both measured on this machine in turns.

    python bench/regress.py --base main
    python bench/regress.py --base v0.1.0 --models tee-0,minilm --runtimes executorch --threads 2 --repeats 20

The base is checked out into a temporary git worktree. Each side's own code exports its own artifacts and measures with
its own bench/run.py, by this Python. In every round and for every model and runtime, two fresh processes, one a side,
are alive at once and take turns of some hundredths of a second, bound to the same cores; chance decides which is first.
So whatever the machine does hits both. What base measures and new does not is broken. Records go to OUTPUT/base.jsonl
and OUTPUT/new.jsonl; exit codes and output files are those of bench/compare.py.
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
from functools import partial
from pathlib import Path

try:
    from bench.compare import add_output_flags, outputs, report
    from bench.machine.environment import available_cores
    from bench.measure.plan import DEFAULT_RUNTIMES
    from bench.records.file import append, read
    from bench.records.record import Failure, Record, failed_instead
    from bench.regression.metrics import NOISY
    from bench.regression.power import Question, recommended_repeats
    from bench.regression.verdict import judge
    from bench.regression.worktree import checked_out
    from bench.session.flags import add_threads_flag
    from bench.workers.process import watch
    from bench.workers.turns import VARIABLE, conducting
    from export.core.weights import add_models_flag, add_weights_flags, read_weights
    from minivlm.command_line import names_argument, number_argument, path_argument, positive, script_parser
    from minivlm.console import Steps
    from minivlm.errors import UserError, printable, run_command
    from minivlm.process import end_group
    from minivlm.storage.files import check_outputs, is_file
except Exception as error:  # this file belongs to new: what cannot even be imported is broken, and says so
    if __name__ != "__main__":
        raise
    sys.exit(f"1 regression: new is broken, it cannot be imported: {type(error).__name__}: {error}")

MODELS = ("tee-0", "minilm")
REPOSITORY = Path(__file__).resolve().parents[1]
SHOWN = math.log(1.05)
"""Change of a latency that the default number of rounds finds in 9 of 10 cases; docs/verdict.md proves it."""
(LATENCY,) = (kind for kind in NOISY if kind.name == "latency")


@dataclass(frozen=True)
class Outcome:
    """What came of measuring one case on one side.

    Attributes:
        records: That it wrote.
        failure: Why it wrote none.
    """

    records: list[Record]
    failure: Failure | None = None

    @property
    def trouble(self) -> str:
        """Why something failed, in one line; empty where all is well."""
        failures = [self.failure, *(record.error for record in self.records)]
        return next((failure.reason for failure in failures if failure), "")

    def repeats(self, example: Record) -> list[Record]:
        """Return the records; where there are none, a failed one of the example's case."""
        return self.records or ([failed_instead(example, self.failure)] if self.failure else [])


@dataclass(frozen=True)
class Planned:
    """A case that both sides measure: the flags of bench/run.py, and a record that it gave."""

    flags: Sequence[str]
    example: Record


@dataclass(frozen=True)
class Prepared:
    """Cases that both sides measure, and by side the records of those that only base can."""

    kept: Mapping[str, Planned]
    broken: Mapping[str, Sequence[Record]]


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
        output.parent.mkdir(parents=True, exist_ok=True)
        with said_by(output).open("wb") as stderr:
            return subprocess.Popen(
                command, cwd=self.tree, env=environment, stdout=subprocess.DEVNULL, stderr=stderr, text=True,
                start_new_session=True,
            )  # fmt: skip


def said_by(output: Path) -> Path:
    """Return where the standard error goes of a side that writes to `output`."""
    return output.with_name(f"{output.name}.stderr")


def measure_in_turns(sides: Sequence[Side], flags: Sequence[str], timeout: float) -> dict[str, Outcome]:
    """Measure one case once on each side, both alive at once and taking turns.

    Args:
        sides: In the order in which they start.
        flags: Of bench/run.py, that choose one case.
        timeout: Seconds of silence after which a side is taken to hang.

    Returns:
        What came of it by the side's name.
    """
    patience = timeout / 2  # of one side with the other: less than each has with its own processes
    with tempfile.TemporaryDirectory(prefix="round-") as folder, ExitStack() as stack:
        conductor = stack.enter_context(conducting(len(sides), patience))
        running = {}
        for side in sides:
            output = Path(folder) / side.name
            running[side.name] = process = side.start(flags, output, conductor.path)
            stack.callback(end_group, process)
            conductor.wait_for_next(partial(_has_ended, process), patience)
        return {name: outcome(process, Path(folder) / name, timeout) for name, process in running.items()}


def _has_ended(process: subprocess.Popen[str]) -> bool:
    return process.poll() is not None


def measure_alone(side: Side, flags: Sequence[str], timeout: float) -> Outcome:
    """Measure one case once on one side; see `measure_in_turns`."""
    with tempfile.TemporaryDirectory(prefix="round-") as folder, ExitStack() as stack:
        output = Path(folder) / side.name
        process = side.start(flags, output, None)
        stack.callback(end_group, process)
        return outcome(process, output, timeout)


def outcome(process: subprocess.Popen[str], output: Path, timeout: float) -> Outcome:
    """Wait for a side and return what came of it."""
    ended = watch(process, said_by(output), timeout)
    path = output / "records.jsonl"
    try:
        return Outcome(read(path)) if is_file(path) else Outcome([], ended)
    except UserError as error:
        return Outcome([], Failure(process.returncode, str(error).replace(f"{output}{os.sep}", "")))


def prepare(sides: Sequence[Side], plans: Mapping[str, Sequence[str]], timeout: float, steps: Steps) -> Prepared:
    """Let each side make its artifacts and measure once, unjudged.

    Raises:
        UserError: There is nothing that base can measure.
    """
    kept, broken, said = {}, {side.name: list[Record]() for side in sides}, []
    for name, flags in plans.items():
        with steps.step(f"{name}: make artifacts, warm up"):
            found = {side.name: measure_alone(side, flags, timeout) for side in sides}
        trouble = {side: printable(each.trouble) for side, each in found.items() if each.trouble}
        works = found["base"].records
        if not trouble:
            kept[name] = Planned(flags, works[0])
            continue
        reasons = "; ".join(f"{side}: {reason}" for side, reason in trouble.items())
        if "base" in trouble:
            said.append(f"{name} is left out: {' and '.join(trouble)} refused it ({reasons})")
        else:
            said.append(f"{name} is broken: {reasons}")
            for side, each in found.items():
                broken[side] += each.repeats(works[0])
        steps.say(f"  {said[-1]}")
    if not kept and not broken["new"]:
        raise UserError(f"nothing can be measured on both sides: {'; '.join(said) or 'no model or runtime is named'}")
    return Prepared(kept, broken)


def measure(
    sides: Sequence[Side], prepared: Prepared, repeats: int, arguments: argparse.Namespace, steps: Steps
) -> None:
    """Measure all cases in rounds; every record is on disk before the next is measured."""
    run = f"regress-{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}"
    files = {side.name: arguments.output / f"{side.name}.jsonl" for side in sides}
    for name, file in files.items():
        file.unlink(missing_ok=True)
        for record in prepared.broken[name]:
            append(file, replace(record, run=run, round=0))
    for number in range(repeats):
        for name, plan in prepared.kept.items():
            with steps.step(f"[{number + 1}/{repeats}] {name}"):
                found = measure_in_turns(random.sample(sides, len(sides)), plan.flags, arguments.timeout)
            for side, each in found.items():
                for record in each.repeats(plan.example):
                    append(files[side], replace(record, run=run, round=number))


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
    add_models_flag(parser, MODELS)
    add_weights_flags(parser)
    add(
        "--runtimes",
        type=names_argument,
        default=list(DEFAULT_RUNTIMES),
        metavar="A,B",
        help=f"names that each side knows (default: {','.join(DEFAULT_RUNTIMES)})",
    )
    add_threads_flag(parser)
    add("--profile", default="quick", help="of bench/run.py (default: %(default)s)")
    add("--repeats", type=positive, metavar="N", help="rounds (default: enough for 5 %%, see docs/verdict.md)")
    add("--timeout", type=number_argument, default=600.0, metavar="SECONDS", help="stop what shows nothing for so long")
    add("--output", type=path_argument, default=Path("results/regress"), metavar="DIR", help="default: %(default)s")
    add_output_flags(parser)
    arguments = parser.parse_args(argv)
    weights = read_weights(arguments.checkpoint, arguments.seed)
    if weights.checkpoint is not None:  # names without one are each side's to know
        for model in weights.models(arguments.models, MODELS):
            weights.describe(model)
    check_outputs([*outputs(arguments), *(arguments.output / f"{side}.jsonl" for side in ("base", "new"))])
    if not 1.0 <= arguments.timeout < math.inf:
        raise UserError(f"--timeout {arguments.timeout:g}: give at least 1 second")
    return arguments


def cases(arguments: argparse.Namespace) -> dict[str, Sequence[str]]:
    """Return by name the flags of bench/run.py for each case."""
    weights = read_weights(arguments.checkpoint, arguments.seed)
    common = ["--threads", str(arguments.threads), "--profile", arguments.profile, "--timeout", str(arguments.timeout)]
    common += weights.flags()  # none for seed 0: a base from before there were these flags can still be measured
    models = weights.models(arguments.models, MODELS)
    return {
        f"{model}, {runtime}": ("--models", model, "--runtimes", runtime, *common)
        for model in models
        for runtime in arguments.runtimes
    }


def rounds(asked: int | None, cases: int, steps: Steps) -> int:
    """Return how many rounds to measure so many cases in: those asked for, or enough for 5 %."""
    if not cases:
        return 0
    question = Question(paired=True, floor=LATENCY.log_floor, comparisons=cases * len(NOISY))
    repeats = asked or recommended_repeats(SHOWN, question)
    if repeats < question.least:
        steps.say(f"--repeats {repeats} can show no change of any time: at least {question.least} are needed")
    return repeats


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    arguments = parse(argv)
    steps = Steps()
    bind(arguments.threads)
    with checked_out(REPOSITORY, arguments.base) as tree, tempfile.TemporaryDirectory(prefix="regress-") as work:
        sides = [Side("base", tree, Path(work) / "base"), Side("new", REPOSITORY, Path(work) / "new")]
        prepared = prepare(sides, cases(arguments), arguments.timeout, steps)
        measure(sides, prepared, rounds(arguments.repeats, len(prepared.kept), steps), arguments, steps)
    base, new = (read(arguments.output / f"{side.name}.jsonl") for side in sides)
    sys.exit(report(judge(base, new), arguments))


if __name__ == "__main__":
    run_command(main)
