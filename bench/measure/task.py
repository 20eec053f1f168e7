"""What one process of the benchmark is asked to measure."""

from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from bench.measure.plan import Plan
from bench.records.record import Case


@dataclass(frozen=True, kw_only=True)
class Task:
    """One repeat of one case.

    Attributes:
        plan: Of the whole run.
        case: What to measure of it.
        run: Id of the benchmark's invocation.
        round: Which repeat.
        artifact: File to run; None runs the model in PyTorch.
        turns: How many processes take turns with this one, itself included.
    """

    plan: Plan
    case: Case
    run: str
    round: int
    artifact: Path | None = None
    turns: int = 1

    @classmethod
    def from_json(cls, line: str) -> "Task":
        """Read what `to_json` wrote."""
        return TypeAdapter(cls).validate_json(line)

    def to_json(self) -> str:
        """Return the task as one line."""
        return TypeAdapter(Task).dump_json(self).decode()
