"""Is int8 worth it on this machine? For every runtime: how much smaller, faster or slower, and less exact it is.

    python bench/int8.py --models tee-0,minilm --threads 2
    python bench/int8.py --models minivlm --runtimes litert,onnx --repeats 12
    python bench/int8.py --checkpoint DIR                           # of trained weights
    python bench/int8.py --records results/int8/records.jsonl       # judge what was measured

fp32 and int8 of all runtimes are measured in rounds, in processes of their own that take turns, and judged round by
round as docs/verdict.md says. Sizes and metrics of the verification come from the artifacts. Exit code 1 says that a
measurement failed.
"""

import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from bench import run
from bench.records.conditions import Division, divide
from bench.records.file import read
from bench.records.media import for_terminal
from bench.records.orders import TURNS
from bench.records.record import Case, Record
from bench.records.runs import choose_run, in_rounds_of_both, once
from bench.regression.comparable import describe_failures
from bench.regression.evidence import ALPHA, Evidence, holm, paired_evidence
from bench.regression.metrics import NOISY
from bench.reporting.cells import wide_console
from bench.session.flags import add_threads_flag, plan_with
from bench.session.session import RECORDS, Session
from export.core.flags import add_runtimes_flag
from export.core.formats import FORMATS
from export.core.weights import add_models_flag, add_weights_flags
from minivlm.command_line import integer_argument, path_argument, script_parser
from minivlm.console import Steps
from minivlm.errors import UserError, printable, run_command

MODELS = ("tee-0", "minilm")
PASSED = ("models", "checkpoint", "seed", "runtimes", "repeats", "profile", "artifacts")
"""Flags that mean here what they mean to bench/run.py."""
FLOOR = next(kind for kind in NOISY if kind.name == "latency").log_floor
SUMMARY = (
    "forward median feature SQNR dB",
    "regions median feature SQNR dB",
    "forward caption_logits SQNR dB",
    "step logits SQNR dB",
)
"""The metrics of a sidecar that sum an artifact up, those that it has."""
DECISIVE = ("avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm")
"""Instructions for int8 dot products: without any, int8 is rarely faster."""


@dataclass(frozen=True)
class Pair:
    """fp32 and int8 of one model on one runtime, round by round.

    Attributes:
        fp32: Rounds in which both were measured.
        int8: The same rounds.
        apart: What tells it from other pairs of this model and runtime, such as threads and machine.
        failed: Which repeats of int8 failed; empty where none did.
    """

    model: str
    runtime: str
    fp32: list[Record]
    int8: list[Record]
    apart: str = ""
    failed: str = ""

    @property
    def evidence(self) -> Evidence:
        """What the rounds say about int8's time against fp32's."""
        return paired_evidence([one.median for one in self.fp32], [one.median for one in self.int8])

    @property
    def size(self) -> float:
        """int8's bytes as a share of fp32's."""
        first, second = self.fp32[0].artifact, self.int8[0].artifact
        return second.bytes / first.bytes if first and second else math.nan

    @property
    def verification(self) -> str:
        """int8's metrics against PyTorch beside fp32's."""
        sides = [one.artifact.parity if one.artifact else {} for one in (self.fp32[0], self.int8[0])]
        shown = [name for name in SUMMARY if all(name in side for side in sides)]
        return "; ".join(f"{name} {sides[0][name]:.0f} -> {sides[1][name]:.0f}" for name in shown)


def pairs(records: Sequence[Record]) -> list[Pair]:
    """Bring the rounds of both precisions together; PyTorch and what was measured in one precision only is left out.

    Raises:
        UserError: Nothing is left.
    """
    repeats = once(records)
    made = [pair for part in divide(repeats) for pair in _paired(part, repeats)]
    if not made:
        raise UserError("no runtime was measured in fp32 and in int8 within one run: use --models, without --records")
    return made


def _paired(part: Division, repeats: Sequence[Record]) -> Iterator[Pair]:
    found: dict[Case, dict[str, list[Record]]] = {}
    for record in part.records:
        if record.artifact is not None:
            sides = found.setdefault(record.case._replace(precision=""), {})
            sides.setdefault(record.precision, []).append(record)
    several = len({key.threads for key in found}) > 1
    for key, sides in found.items():
        both = in_rounds_of_both(sides.get("fp32", []), sides.get("int8", []))
        if both:
            fp32, int8 = ([pair[side] for pair in both] for side in (0, 1))
            apart = part.titled(f", {key.threads} threads" * several)
            failed = failures(repeats, key._replace(precision="int8"))
            yield Pair(key.model, key.runtime, fp32, int8, apart, failed)


def failures(repeats: Sequence[Record], case: Case) -> str:
    """Say which repeats of a case failed; nothing where none did."""
    every = [record for record in repeats if record.case == case]
    return describe_failures([record for record in every if not record.ok], case.precision, len(every))


def speed(evidence: Evidence, p: float) -> str:
    """Say what is known about int8's speed."""
    low, high = (f"{math.exp(-bound):.2f}" for bound in (evidence.high, evidence.low))
    times = f"{math.exp(-evidence.change):.2f} times as fast ({low} to {high})"
    if p <= ALPHA and abs(evidence.change) >= FLOOR:
        return f"{'slower' if evidence.change > 0 else 'faster'}: {times}"
    if evidence.low > -FLOOR and evidence.high < FLOOR:
        return f"as fast: {times}"
    return f"cannot tell: {times}"


def verdict(evidence: Evidence, p: float) -> str:
    """Say whether int8 is worth it: it is always smaller, so the time decides."""
    said = speed(evidence, p)
    if said.startswith("slower"):
        return "for size only"
    return "yes" if said.startswith("faster") else "for size"


def int8_table(found: Sequence[Pair]) -> Table:
    """Return a line for each model and runtime."""
    table = Table("", "bytes", "speed, 99 % interval", "verification, fp32 -> int8", "worth it here", box=None)
    corrected = holm([pair.evidence.p for pair in found])
    for pair, p in zip(found, corrected, strict=True):
        worth = f"no: {pair.failed}" if pair.failed else verdict(pair.evidence, p)
        name = f"{pair.model}, {pair.runtime}{pair.apart}"
        cells = (name, f"{pair.size:.0%}", speed(pair.evidence, p), pair.verification, worth)
        table.add_row(*map(for_terminal, cells))
    return table


def processor(records: Sequence[Record]) -> str:
    """Say which instructions decide on this machine."""
    features = records[0].environment.get("cpu_features") or []
    there = [name for name in DECISIVE if name in features]
    known = f"has {', '.join(there)}" if there else "has no instructions for int8 dot products"
    return f"{printable(records[0].machine_name)} {known}; {len({record.round for record in records})} rounds"


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = script_parser(__doc__)
    add = parser.add_argument
    runtimes = [name for name, target in FORMATS.items() if target.runs_here]
    add_models_flag(parser, MODELS)
    add_weights_flags(parser)
    add_runtimes_flag(parser, runtimes)
    add_threads_flag(parser)
    add("--repeats", type=integer_argument, default=10, metavar="N", help="rounds (default: %(default)s)")
    add("--profile", default="quick", help="of bench/run.py (default: %(default)s)")
    add(
        "--artifacts",
        type=path_argument,
        default=Path("artifacts"),
        metavar="DIR",
        help="missing ones are exported there",
    )
    add(
        "--output",
        type=path_argument,
        default=Path("results/int8"),
        metavar="DIR",
        help="of the records (default: %(default)s)",
    )
    add("--records", type=path_argument, metavar="FILE", help="judge these records and measure nothing")
    arguments = parser.parse_args(argv)
    path = arguments.records or arguments.output / RECORDS
    if arguments.records is None:
        asked = {name: getattr(arguments, name) for name in PASSED}
        if arguments.checkpoint is None:
            asked["models"] = arguments.models or list(MODELS)
        plan = plan_with(**asked, threads=[arguments.threads], precision=["fp32", "int8"], order=TURNS)
        run.measure(Session.new(arguments.output, plan), Steps())
    elif (arguments.checkpoint, arguments.seed) != (None, None):
        raise UserError("--records measures nothing: leave --checkpoint and --seed out")
    last = choose_run(read(path), None, "--run")
    print(f"{last} of {printable(str(path))}")
    wide_console().print(int8_table(pairs(last.records)))
    for case in dict.fromkeys(record.case for record in last.records):
        if said := failures(last.records, case):
            print(f"{case}: {said}")
    print(processor(last.records))
    if not all(record.ok for record in last.records):
        sys.exit(1)


if __name__ == "__main__":
    run_command(main)
