"""How often the verdict is right: false alarms between equals, and planted slowdowns that are found.

    python bench/studies/verdict_power.py --pool bench/studies/planted.csv

Reads the pool that bench/studies/planted.py measured and writes its table into docs/verdict.md. A comparison takes a
window of consecutive rounds and gives them to the same code that judges records. Windows of a kind start at equal
distances over the whole pool; they overlap where the pool is short, and the table says how many are disjoint. Between
equals, chance decides in every round which process is called base, as `bench/regress.py` does.

Slowdowns are planted twice: as layers, whose real cost is that of the machine, and by arithmetic on one of two equals,
exact to the digit.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

from bench.regression.evidence import paired_evidence
from bench.regression.metrics import NOISY, NoisyMetric
from bench.regression.verdict import Verdict, decide
from bench.studies.planted import BASES, SLOWDOWNS, Round, read_pool
from minivlm.command_line import path_argument, script_parser
from minivlm.errors import UserError, run_command
from minivlm.storage.files import check_outputs, write_text

REPEATS = (10, 15, 20, 30, 40, 60)
AMONG = (1, 12)
"""Comparisons among which each is corrected: alone, and two models by two runtimes by three quantities."""
TRIALS = 400
"""Comparisons of a kind at most, and at least 200 between equals."""
EXACT = (3, 5, 10)
"""Slowdowns in percent that are planted by arithmetic."""
DOCUMENT = Path("docs/verdict.md")
BEGIN, END = "<!-- study -->", "<!-- /study -->"
(LATENCY,) = (kind for kind in NOISY if kind.name == "latency")

Trials = Iterator[np.ndarray]
"""Comparisons, (repeats, 2) times of base and new each."""


def windows(rounds: int, repeats: int, count: int) -> list[int]:
    """Return where windows start: at most so many, at equal distances over the whole pool."""
    starts = np.unique(np.linspace(0, rounds - repeats, min(count, rounds - repeats + 1)).astype(int))
    return starts.tolist()


def equals(pool: Sequence[Round], repeats: int) -> Trials:
    """Yield two processes of the same code, in every pairing of a round's four."""
    numbers = np.random.default_rng(0)
    pairings = list(combinations(range(BASES), 2))
    times = np.array([each.base for each in pool])
    for start in windows(len(pool), repeats, TRIALS // len(pairings)):
        for pairing in pairings:
            pair = times[start : start + repeats, pairing]
            yield np.where(numbers.random((repeats, 1)) < 0.5, pair, pair[:, ::-1])


def slowed(pool: Sequence[Round], repeats: int, slowdown: int) -> Trials:
    """Yield base and the process with more layers, with every base of a round."""
    for start in windows(len(pool), repeats, TRIALS // BASES):
        window = pool[start : start + repeats]
        for place in range(BASES):
            yield np.array([(each.base[place], each.slowed[slowdown]) for each in window])


def lengthened(pool: Sequence[Round], repeats: int, slowdown: int) -> Trials:
    """Yield equals, the times of one side made longer by exactly so many percent."""
    return (times * (1.0, 1.0 + slowdown / 100.0) for times in equals(pool, repeats))


def count_verdicts(trials: Iterable[np.ndarray], among: int, kind: NoisyMetric = LATENCY) -> Counter[Verdict]:
    """Judge comparisons, each as one among so many; returns how often each verdict was given."""
    verdicts: Counter[Verdict] = Counter()
    for times in trials:
        evidence = paired_evidence(*times.T.tolist())
        verdicts[decide(evidence, min(1.0, evidence.p * among), kind.log_floor)] += 1
    return verdicts


def share(verdicts: Counter[Verdict], *wanted: Verdict) -> float:
    """Return how often one of some verdicts was given."""
    return sum(verdicts[verdict] for verdict in wanted) / verdicts.total()


def real_slowdown(pool: Sequence[Round], slowdown: int) -> float:
    """Return by which share a planted slowdown lengthened the time, over the whole pool."""
    return float(np.median([each.slowed[slowdown] / np.median(each.base) for each in pool])) - 1.0


def table_row(pool: Sequence[Round], repeats: int, among: int) -> list[str]:
    """Return the cells of one number of repeats."""
    none = count_verdicts(equals(pool, repeats), among)
    trials = [slowed(pool, repeats, each) for each in SLOWDOWNS] + [lengthened(pool, repeats, each) for each in EXACT]
    found = [share(count_verdicts(each, among), Verdict.SLOWER) for each in trials]
    return [
        str(repeats),
        str(among),
        f"{none.total()} ({len(pool) // repeats})",
        f"{share(none, Verdict.FASTER, Verdict.SLOWER):.1%}",
        *(f"{each:.0%}" for each in found),
        f"{share(none, Verdict.NO_CHANGE):.0%} / {share(none, Verdict.CANNOT_TELL):.0%}",
    ]


def table(pool: Sequence[Round], conditions: str) -> list[str]:
    """Return the Markdown table of one condition."""
    rounds = [each for each in pool if each.conditions == conditions]
    loads = [each.load for each in rounds]
    heads = ["repeats", "among", "equals (disjoint windows)", "false alarms"]
    heads += [f"{each} more layers, {real_slowdown(rounds, each):.1%}" for each in SLOWDOWNS]
    heads += [f"times {1.0 + each / 100.0:g}" for each in EXACT]
    heads += ["equals: no change / cannot tell"]
    lines = [
        f"**{conditions.capitalize()}** ({len(rounds)} rounds, load {min(loads):.1f} to {max(loads):.1f}):",
        "",
        f"| {' | '.join(heads)} |",
        "|" + " ---: |" * len(heads),
    ]
    for repeats in REPEATS:
        for among in AMONG:
            if len(rounds) >= repeats:
                lines.append(f"| {' | '.join(table_row(rounds, repeats, among))} |")
    return lines


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = script_parser(__doc__)
    parser.add_argument("--pool", type=path_argument, default=Path("bench/studies/planted.csv"), metavar="FILE.csv")
    parser.add_argument(
        "--document", type=path_argument, default=DOCUMENT, metavar="FILE.md", help="default: %(default)s"
    )
    arguments = parser.parse_args(argv)
    check_outputs([arguments.document], [arguments.pool])
    pool = read_pool(arguments.pool)
    try:
        before, after = arguments.document.read_text(encoding="utf-8").split(BEGIN)
        after = after.split(END)[1]
    except (OSError, ValueError, IndexError):
        raise UserError(f"{arguments.document} must hold {BEGIN} and {END}, between which the tables go") from None
    tables = [line for name in dict.fromkeys(each.conditions for each in pool) for line in [*table(pool, name), ""]]
    write_text(arguments.document, "\n".join([f"{before}{BEGIN}", "", *tables, f"{END}{after}"]))
    print("\n".join(tables))


if __name__ == "__main__":
    run_command(main)
