"""What was found in a data set, and what of it was left out: counted and named, so that nothing is lost in silence."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from minivlm.errors import printable

NAMED = 5
"""Of what was found, so many are named; all are counted."""

LONGEST_NAME = 160
"""Characters; a path in it ends with what is most worth to know, so the middle goes."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something that a data set has and should not have.

    Attributes:
        what: In the plural, such as "boxes without area".
        count: How often.
        first: Names of the first of them.
        left_out: Whether they are missing from the examples; False where they were put right or are only worth a word.
    """

    what: str
    count: int
    first: tuple[str, ...]
    left_out: bool

    @property
    def line(self) -> str:
        """The finding for people."""
        more = ", ..." if self.count > len(self.first) else ""
        did = "left out" if self.left_out else "noted"
        return f"{did}: {self.count} {self.what} ({', '.join(self.first)}{more})"


@dataclass(frozen=True, kw_only=True)
class Report:
    """What one source of data holds.

    Attributes:
        title: Such as "boxes".
        source: File or folder.
        counts: What can be used, by name and in order.
        findings: In the order of their first occurrence.
    """

    title: str
    source: Path
    counts: tuple[tuple[str, int], ...]
    findings: tuple[Finding, ...]

    @property
    def lines(self) -> list[str]:
        """The report for people."""
        held = ", ".join(f"{count:,} {name}" for name, count in self.counts)
        return [f"{self.title}: {printable(str(self.source))}: {held}", *(f"  {one.line}" for one in self.findings)]

    @property
    def fields(self) -> dict[str, Any]:
        """The report for programs."""
        findings = [asdict(one) for one in self.findings]
        return {"title": self.title, "source": str(self.source), "counts": dict(self.counts), "findings": findings}


class Findings:
    """Collects findings while data is read."""

    def __init__(self) -> None:
        self._names: dict[tuple[str, bool], list[str]] = {}
        self._counts: dict[tuple[str, bool], int] = {}

    def leave_out(self, what: str, name: object) -> None:
        """Count something that is missing from the examples."""
        self._add(what, name, left_out=True)

    def note(self, what: str, name: object) -> None:
        """Count something that was put right, or is only worth a word."""
        self._add(what, name, left_out=False)

    def _add(self, what: str, name: object, *, left_out: bool) -> None:
        key = (what, left_out)
        self._counts[key] = self._counts.get(key, 0) + 1
        names = self._names.setdefault(key, [])
        if len(names) < NAMED:
            shown = printable(str(name))
            half = LONGEST_NAME // 2
            names.append(shown if len(shown) <= LONGEST_NAME else f"{shown[:half]}...{shown[-half:]}")

    @property
    def found(self) -> tuple[Finding, ...]:
        """All findings so far."""
        return tuple(
            Finding(what=what, count=count, first=tuple(self._names[what, left_out]), left_out=left_out)
            for (what, left_out), count in self._counts.items()
        )


def left_out(findings: Sequence[Finding]) -> int:
    """Return how many things are missing from the examples."""
    return sum(one.count for one in findings if one.left_out)
