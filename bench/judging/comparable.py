"""Which records of two sets can be compared: same combination, same machine, same input, same conditions."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.judging.quantities import Scattered
from bench.records import Combination, Record


@dataclass(frozen=True)
class Sides:
    """The successful repeats of a combination that can be compared."""

    combination: Combination
    base: Sequence[Record]
    new: Sequence[Record]

    @property
    def paired(self) -> bool:
        """Whether one run measured both sides, in turns."""
        return bool({record.run for record in self.base} & {record.run for record in self.new})

    @property
    def disturbed(self) -> int:
        """How many repeats say that something disturbed them."""
        return sum(bool(record.disturbed) for record in (*self.base, *self.new))

    def values(self, kind: Scattered) -> tuple[list[float], list[float]]:
        """Return a quantity of both sides' repeats; of paired ones round by round."""
        if not self.paired:
            base, new = ([value for value in map(kind.read, side) if value] for side in (self.base, self.new))
            return base, new
        base_rounds, new_rounds = (
            {(record.run, record.round): kind.read(record) for record in side} for side in (self.base, self.new)
        )
        both = sorted(key for key in base_rounds.keys() & new_rounds.keys() if base_rounds[key] and new_rounds[key])
        return [base_rounds[key] or 0.0 for key in both], [new_rounds[key] or 0.0 for key in both]


@dataclass(frozen=True)
class Refusal:
    """A combination that cannot be compared.

    Attributes:
        combination: Which.
        reason: In one line.
        broken: Whether it worked in base and fails in new.
    """

    combination: Combination
    reason: str
    broken: bool = False


def match(base: Sequence[Record], new: Sequence[Record]) -> list[Sides | Refusal]:
    """Bring the records of two sets together, combination by combination in the order of `base`, then `new`."""
    found: list[Sides | Refusal] = []
    for combination in dict.fromkeys(record.combination for record in (*base, *new)):
        olds, news = ([record for record in side if record.combination == combination] for side in (base, new))
        found.append(_missing(combination, olds, news) or _sides(combination, olds, news))
    return found


def _missing(combination: Combination, base: Sequence[Record], new: Sequence[Record]) -> Refusal | None:
    """Return why there is nothing to compare on one side; None where there is on both."""
    if not base or not new:
        return Refusal(combination, f"measured only in {'base' if base else 'new'}")
    works = [any(record.ok for record in side) for side in (base, new)]
    if all(works):
        return None
    failed, name = (base, "base") if not works[0] else (new, "new")
    reasons = [record.error.reason for record in failed if record.error]
    return Refusal(combination, f"failed in {name}: {reasons[0]}", broken=works[0])


def _sides(combination: Combination, base: Sequence[Record], new: Sequence[Record]) -> Sides | Refusal:
    sides = Sides(combination, [record for record in base if record.ok], [record for record in new if record.ok])
    seen: dict[str, dict[str, None]] = {}
    for record in (*sides.base, *sides.new):
        for label, value in conditions(record):
            seen.setdefault(label, {})[value] = None
    differing = [f"{label}: {' / '.join(values)}" for label, values in seen.items() if len(values) > 1]
    return Refusal(combination, "; ".join(differing)) if differing else sides


def conditions(record: Record) -> Iterator[tuple[str, str]]:
    """Yield what must be equal for times to be comparable, as (name, value)."""
    for name in ("cpu", "cores", "cpu_features", "memory_gib", "container"):
        yield name.replace("_", " "), str(record.environment.get(name))
    yield "threads", str(record.threads)
    yield "affinity", str(record.affinity)
    yield "inputs", str(dict(record.inputs))
    yield "photo", record.photo.get("sha256", "")[:12]
    yield "weights", record.weights
    yield "profile", record.profile
    yield "unit", record.unit
    yield "stages", ", ".join(record.samples)
