"""Judging two sets of records: what became slower, what did not, and what these data cannot tell."""

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain

from bench.records.record import Case, Record
from bench.records.runs import once
from bench.regression.comparable import Remark, Sides, match
from bench.regression.evidence import ALPHA, Evidence, holm, paired_evidence, unpaired_evidence
from bench.regression.metrics import DETERMINISTIC, NOISY, DeterministicMetric, NoisyMetric
from bench.regression.power import Question, detectable, repeats_for
from minivlm.errors import UserError

FINDABLE = 0.05
"""The slowdown for which a verdict says how many repeats would show it."""
MACHINE_DRIFT = 0.05
"""Share by which the machine's own speed may differ between separate runs before times say nothing about the code."""


class Verdict(StrEnum):
    """What is known about one quantity; of memory, faster means less and slower means more."""

    FASTER = "faster"
    SLOWER = "slower"
    NO_CHANGE = "no change"
    CANNOT_TELL = "cannot tell"
    INCOMPARABLE = "incomparable"
    EQUAL = "equal"
    DIFFERENT = "different"
    BROKEN = "broken"


REGRESSIONS = frozenset({Verdict.SLOWER, Verdict.DIFFERENT, Verdict.BROKEN})


@dataclass(frozen=True)
class Judgement:
    """A verdict with its grounds.

    Attributes:
        case: What was measured.
        quantity: What is judged; empty where nothing of the case can be.
        verdict: Of the quantity.
        word: The verdict in the quantity's own words.
        unit: Of base and new.
        base: Median of the repeats, or the one metric; None where there is none.
        new: Likewise.
        evidence: Of a quantity that scatters.
        reason: What else is to be said, in one line.
    """

    case: Case
    quantity: str
    verdict: Verdict
    word: str
    unit: str = ""
    base: float | None = None
    new: float | None = None
    evidence: Evidence | None = None
    reason: str = ""

    @property
    def change(self) -> float | None:
        """Estimated new / base - 1; None where it is not known."""
        if self.evidence is not None:
            return math.expm1(self.evidence.change)
        return self.new / self.base - 1.0 if self.base and self.new is not None else None

    @property
    def regression(self) -> bool:
        """Whether this fails a comparison."""
        return self.verdict in REGRESSIONS


def judge(base: Sequence[Record], new: Sequence[Record]) -> list[Judgement]:
    """Compare two sets of records.

    Args:
        base: What is compared with.
        new: What is judged.

    Returns:
        Every quantity of every case, cases in the order of `base`, then `new`.

    Raises:
        UserError: Nothing can be compared.
    """
    matched = match(once(base), once(new))
    comparable = [each for each in matched if isinstance(each, Sides)]
    remarks = [each for each in matched if isinstance(each, Remark)]
    if not comparable and not any(remark.broken for remark in remarks):
        reasons = "; ".join(dict.fromkeys(remark.reason for remark in remarks)) or "there are no records"
        raise UserError(
            f"nothing can be compared ({reasons}): measure the same cases on the same machine, "
            "best with python bench/regress.py"
        )
    judged = [_remark(remark) for remark in remarks]
    judged += [judgement for sides in comparable for judgement in _fixed(sides)]
    judged += _noisy(comparable)
    order = [each.case for each in matched]
    return sorted(judged, key=lambda judgement: order.index(judgement.case))


def _remark(remark: Remark) -> Judgement:
    verdict = Verdict.BROKEN if remark.broken else Verdict.INCOMPARABLE
    return Judgement(remark.case, "", verdict, str(verdict), reason=remark.reason)


def _fixed(sides: Sides) -> Iterator[Judgement]:
    for kind in DETERMINISTIC:
        base, new = _metrics(kind, sides.base), _metrics(kind, sides.new)
        for name in dict.fromkeys(chain(base, new)):
            label = f"{kind.name}, {name}" if name else kind.name
            values = base.get(name, []), new.get(name, [])
            verdict, reason = _agreement(kind, *values)
            old, late = (statistics.median(side) if side else None for side in values)
            yield Judgement(sides.case, label, verdict, str(verdict), base=old, new=late, reason=reason)


def _metrics(kind: DeterministicMetric, records: Sequence[Record]) -> dict[str, list[float]]:
    """Return by name the metric of every repeat."""
    found: dict[str, list[float]] = {}
    for record in records:
        for name, value in kind.read(record).items():
            found.setdefault(name, []).append(value)
    return found


def _agreement(kind: DeterministicMetric, base: Sequence[float], new: Sequence[float]) -> tuple[Verdict, str]:
    if not base or not new:
        return Verdict.INCOMPARABLE, f"only {'base' if base else 'new'} has this metric"
    within = kind.bound * max(abs(value) for value in base)
    rule = f"may differ by {kind.bound:g} of it" if kind.bound else "must be equal"
    for name, side in (("base", base), ("new", new)):
        if max(side) - min(side) > within:
            return Verdict.DIFFERENT, f"{rule}, and differs between the repeats of {name}"
    apart = max(*base, *new) - min(*base, *new)
    return (Verdict.EQUAL, "") if apart <= within else (Verdict.DIFFERENT, rule)


def _noisy(comparable: Sequence[Sides]) -> list[Judgement]:
    """Judge everything that scatters as one family: the more is compared, the clearer each change has to be."""
    weighed, found = [], []
    for sides in comparable:
        for kind in NOISY:
            values = sides.values(kind)
            if any(values) and not all(values):
                reason = f"only {'base' if values[0] else 'new'} has this metric"
                found.append(_missing(sides, kind, reason))
            elif all(values):
                weigh = paired_evidence if sides.paired else unpaired_evidence
                weighed.append((sides, kind, values, weigh(*values)))
    corrected = holm([evidence.p for *_, evidence in weighed])
    for (sides, kind, (base, new), evidence), p in zip(weighed, corrected, strict=True):
        verdict, reason = _weigh(sides, kind, evidence, p, len(weighed))
        word = {Verdict.FASTER: kind.less, Verdict.SLOWER: kind.more}.get(verdict, str(verdict))
        medians = statistics.median(base), statistics.median(new)
        found.append(Judgement(sides.case, kind.name, verdict, word, kind.unit, *medians, evidence, reason))
    return found


def _missing(sides: Sides, kind: NoisyMetric, reason: str) -> Judgement:
    verdict = Verdict.INCOMPARABLE
    return Judgement(sides.case, kind.name, verdict, str(verdict), kind.unit, reason=reason)


def _weigh(sides: Sides, kind: NoisyMetric, evidence: Evidence, p: float, comparisons: int) -> tuple[Verdict, str]:
    """Return the verdict on a quantity and what else is to be said."""
    drift = 0.0 if sides.paired else machine_drift(sides)
    if drift > MACHINE_DRIFT:
        reason = f"the machine's own speed differs by {drift:.0%} between the two runs: run both sides in turns"
        return Verdict.CANNOT_TELL, f"{reason}, with python bench/regress.py"
    verdict = decide(evidence, p, kind.log_floor)
    return verdict, power_of(evidence, kind, comparisons) if verdict is Verdict.CANNOT_TELL else ""


def decide(evidence: Evidence, p: float, floor: float) -> Verdict:
    """Return what repeats say: a change that is certain and large enough, none that could be as large, or neither.

    Args:
        evidence: With the interval.
        p: Corrected for the number of comparisons.
        floor: Smallest change worth reporting, a logarithm.
    """
    if p <= ALPHA and abs(evidence.change) >= floor:
        return Verdict.SLOWER if evidence.change > 0 else Verdict.FASTER
    return Verdict.NO_CHANGE if -floor < evidence.low and evidence.high < floor else Verdict.CANNOT_TELL


def machine_drift(sides: Sides) -> float:
    """Return by how much the machine's rates differ between the sides, as a share; 0 where they were not measured."""
    drifts = [0.0]
    for rate in ("gmac_per_s", "gb_per_s"):
        base, new = (
            [getattr(record.machine, rate) for record in side if record.machine] for side in (sides.base, sides.new)
        )
        if base and new:
            drifts.append(math.expm1(abs(math.log(statistics.median(new) / statistics.median(base)))))
    return max(drifts)


def power_of(evidence: Evidence, kind: NoisyMetric, comparisons: int) -> str:
    """Say what these repeats could have shown, and how many would show more."""
    question = Question(evidence.paired, kind.log_floor, comparisons)
    if evidence.repeats < question.least:
        needed = f"at least {question.least} are needed"
        return f"{evidence.repeats} repeats show nothing among {comparisons} comparisons: {needed}"
    findable = FINDABLE if kind.floor < FINDABLE else 2.0 * kind.floor
    repeats = repeats_for(math.log1p(findable), evidence, question)
    smallest = math.expm1(detectable(evidence, question))
    return f"could have shown {smallest:.1%}; {repeats} repeats would show {findable:.0%}"
