"""Which records of two sets can be compared: same case, same machine, same input, same conditions."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from bench.records.conditions import conditions
from bench.records.record import Case, Record
from bench.records.runs import in_rounds_of_both
from bench.regression.metrics import NoisyMetric
from minivlm.errors import printable

ROUNDS = 12
"""Numbers of rounds that a reason lists at most."""


@dataclass(frozen=True)
class Sides:
    """The successful repeats of a case that can be compared."""

    case: Case
    base: Sequence[Record]
    new: Sequence[Record]

    @property
    def paired(self) -> bool:
        """Whether one run measured both sides, in turns."""
        return bool({record.run for record in self.base} & {record.run for record in self.new})

    def values(self, kind: NoisyMetric) -> tuple[list[float], list[float]]:
        """Return a quantity of both sides' repeats; of paired ones round by round."""
        if not self.paired:
            base, new = ([value for record in side if (value := kind.read(record)) is not None] for side in self._both)
            return base, new
        read = [(kind.read(old), kind.read(new)) for old, new in in_rounds_of_both(*self._both)]
        both = [(old, new) for old, new in read if old is not None and new is not None]
        return [old for old, _ in both], [new for _, new in both]

    @property
    def _both(self) -> tuple[Sequence[Record], Sequence[Record]]:
        return self.base, self.new


@dataclass(frozen=True)
class Remark:
    """What is to be said about a case besides its metrics.

    Attributes:
        case: Which.
        reason: In one line.
        broken: Whether something that worked in base does not in new.
    """

    case: Case
    reason: str
    broken: bool = False


def match(base: Sequence[Record], new: Sequence[Record]) -> list[Sides | Remark]:
    """Bring the records of two sets together, case by case in the order of `base`, then `new`.

    Args:
        base: Every repeat once.
        new: Likewise.
    """
    found: list[Sides | Remark] = []
    common = {record.case for record in base} & {record.case for record in new}
    for case in dict.fromkeys(record.case for record in (*base, *new)):
        olds, news = ([record for record in side if record.case == case] for side in (base, new))
        worked, works = ([record for record in side if record.ok] for side in (olds, news))
        if not news:
            # Where nothing is common the wrong sets were given, and nothing is known to be broken.
            found.append(Remark(case, "measured only in base", broken=bool(worked and common)))
        elif not olds:
            found.append(Remark(case, "measured only in new"))
        else:
            found += _failures(case, olds, news)
            found += [_sides(case, worked, works)] if worked and works else []
    return found


def _failures(case: Case, base: Sequence[Record], new: Sequence[Record]) -> list[Remark]:
    """Say which repeats failed; new is broken if it fails more often than base, or in a way that base never did."""
    sides = {name: [record for record in side if not record.ok] for name, side in (("base", base), ("new", new))}
    if not any(sides.values()):
        return []
    said = [describe_failures(sides["base"], "base", len(base)), describe_failures(sides["new"], "new", len(new))]
    share_base, share_new = len(sides["base"]) / len(base), len(sides["new"]) / len(new)
    ways_base, ways_new = ({record.error.exit for record in failed if record.error} for failed in sides.values())
    worse = share_new > share_base or bool(ways_new - ways_base)
    return [Remark(case, "; ".join(filter(None, said)), broken=share_base < 1.0 and worse)]


def describe_failures(failed: Sequence[Record], name: str, repeats: int) -> str:
    """Say how many repeats of a side failed, in which rounds and why; nothing where none did."""
    if not failed:
        return ""
    rounds = sorted(record.round + 1 for record in failed)
    shown = ", ".join(map(str, rounds[:ROUNDS])) + ", ..." * (len(rounds) > ROUNDS)
    reasons = Counter(printable(record.error.reason) for record in failed if record.error).most_common()
    why = "; ".join(reason + f" ({count} times)" * (len(reasons) > 1) for reason, count in reasons)
    return f"failed in {name}: {len(failed)} of {repeats} repeats (round {shown}): {why}"


def _sides(case: Case, base: Sequence[Record], new: Sequence[Record]) -> Sides | Remark:
    sides = Sides(case, base, new)
    seen: dict[str, dict[str, None]] = {}
    for record in (*base, *new):
        for label, value in conditions(record):
            seen.setdefault(label, {})[value] = None
    differing = [f"{label}: {' / '.join(map(printable, values))}" for label, values in seen.items() if len(values) > 1]
    return Remark(case, "; ".join(differing)) if differing else sides
