"""How often the verdict is right: false alarms between equals, and planted slowdowns that are found.

    python bench/studies/verdict_power.py --pool bench/studies/planted.csv

Reads the pool that bench/studies/planted.py measured and writes its table into docs/verdict.md. A comparison takes a
window of consecutive rounds and gives them to the same code that judges records. Windows of a kind start at equal
distances over the whole pool; they overlap where the pool is short, and the table says how many are disjoint. Between
equals, chance decides in every round which process is called base, as `bench/regress.py` does.
"""

import argparse
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from bench.judging.evidence import paired_evidence
from bench.judging.quantities import SCATTERED, Scattered
from bench.judging.verdict import Verdict, decide
from bench.studies.planted import BASES, SLOWDOWNS, Round, read_pool
from minivlm.errors import UserError, run_command
from minivlm.files import write_text

REPEATS = (10, 12, 15, 20, 30, 40)
AMONG = (1, 12)
"""Comparisons among which each is corrected: alone, and two models by two runtimes by three quantities."""
TRIALS = 400
"""Comparisons of a kind at most, and at least 200 between equals."""
DOCUMENT = Path("docs/verdict.md")
BEGIN, END = "<!-- study -->", "<!-- /study -->"
(LATENCY,) = (kind for kind in SCATTERED if kind.name == "latency")


@dataclass(frozen=True)
class Outcome:
    """Verdicts on comparisons of one kind.

    Attributes:
        slowdown: Planted, in percent.
        verdicts: How often each was given.
        disjoint: How many of the windows could lie side by side.
    """

    slowdown: int
    verdicts: Counter[Verdict]
    disjoint: int

    @property
    def trials(self) -> int:
        """How many comparisons."""
        return self.verdicts.total()

    def share(self, *verdicts: Verdict) -> float:
        """How often one of some verdicts was given."""
        return sum(self.verdicts[verdict] for verdict in verdicts) / self.trials


def windows(rounds: int, repeats: int, count: int) -> list[int]:
    """Return where windows start: at most so many, at equal distances over the whole pool."""
    starts = np.unique(np.linspace(0, rounds - repeats, min(count, rounds - repeats + 1)).astype(int))
    return starts.tolist()


def equals(pool: Sequence[Round], repeats: int, numbers: np.random.Generator) -> Iterator[np.ndarray]:
    """Yield (repeats, 2) times of two processes of the same code, in every pairing of a round's four."""
    pairings = list(combinations(range(BASES), 2))
    times = np.array([each.base for each in pool])
    for start in windows(len(pool), repeats, TRIALS // len(pairings)):
        for pairing in pairings:
            pair = times[start : start + repeats, pairing]
            yield np.where(numbers.random((repeats, 1)) < 0.5, pair, pair[:, ::-1])


def slowed(pool: Sequence[Round], repeats: int, slowdown: int) -> Iterator[np.ndarray]:
    """Yield (repeats, 2) times of base and slowed process, with every base of a round."""
    for start in windows(len(pool), repeats, TRIALS // BASES):
        window = pool[start : start + repeats]
        for place in range(BASES):
            yield np.array([(each.base[place], each.slowed[slowdown]) for each in window])


def outcome(pool: Sequence[Round], repeats: int, slowdown: int, among: int, kind: Scattered = LATENCY) -> Outcome:
    """Judge all comparisons of one kind."""
    trials = slowed(pool, repeats, slowdown) if slowdown else equals(pool, repeats, np.random.default_rng(0))
    verdicts: Counter[Verdict] = Counter()
    for times in trials:
        evidence = paired_evidence(*times.T.tolist())
        verdicts[decide(evidence, min(1.0, evidence.p * among), kind.log_floor)] += 1
    return Outcome(slowdown, verdicts, len(pool) // repeats)


def table(pool: Sequence[Round], conditions: str) -> list[str]:
    """Return the Markdown table of one condition."""
    rounds = [each for each in pool if each.conditions == conditions]
    loads = [each.load for each in rounds]
    true = {
        slowdown: np.median([each.slowed[slowdown] / np.median(each.base) for each in rounds]) - 1.0
        for slowdown in SLOWDOWNS
    }
    measured = ", ".join(f"{slowdown} % took {share:.1%} longer" for slowdown, share in true.items())
    lines = [
        f"**{conditions.capitalize()}** ({len(rounds)} rounds, load {min(loads):.1f} to {max(loads):.1f}; over the "
        f"whole pool {measured}):",
        "",
        "| repeats | among | equals: comparisons (disjoint windows) | false alarms | "
        + " | ".join(f"{slowdown} % found" for slowdown in SLOWDOWNS)
        + " | equals: no change / cannot tell |",
        "|" + " ---: |" * (5 + len(SLOWDOWNS)),
    ]
    for repeats in REPEATS:
        for among in AMONG:
            if len(rounds) >= repeats:
                none = outcome(rounds, repeats, 0, among)
                found = [outcome(rounds, repeats, slowdown, among) for slowdown in SLOWDOWNS]
                alarms = none.share(Verdict.FASTER, Verdict.SLOWER)
                cells = [str(repeats), str(among), f"{none.trials} ({none.disjoint})", f"{alarms:.1%}"]
                cells += [f"{each.share(Verdict.SLOWER):.0%}" for each in found]
                cells += [f"{none.share(Verdict.NO_CHANGE):.0%} / {none.share(Verdict.CANNOT_TELL):.0%}"]
                lines.append(f"| {' | '.join(cells)} |")
    return lines


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pool", type=Path, default=Path("bench/studies/planted.csv"), metavar="FILE.csv")
    parser.add_argument("--document", type=Path, default=DOCUMENT, metavar="FILE.md", help="default: %(default)s")
    arguments = parser.parse_args(argv)
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
