"""Why the app on a phone ended before it was done: what both systems can tell, and the record that says so."""

from dataclasses import dataclass
from enum import Enum

from bench.records.record import Failure

LAST_LINES = 20
"""Of what the app wrote, kept in a record."""


class Cause(Enum):
    """What ended an app; the value begins the sentence about it."""

    MEMORY = "the system stopped the app for its memory"
    SIGNAL = "the app crashed"
    UNRESPONSIVE = "the system stopped the app because it did not answer"
    USER = "somebody stopped the app"
    UNKNOWN = "the app is gone and the system does not say why"


WAYS_OUT = {
    Cause.MEMORY: "close other apps, or take a smaller model",
    Cause.SIGNAL: "look at the app's last lines in the record",
    Cause.UNRESPONSIVE: "close other apps, and leave the phone alone",
    Cause.USER: "leave the phone alone while it measures",
    Cause.UNKNOWN: "close other apps, and leave the phone alone",
}


@dataclass(frozen=True)
class Death:
    """An app's end.

    Attributes:
        cause: As far as the system tells.
        detail: What the system says, such as "SIGILL" or "per-process-limit, 2100 MiB"; empty where it says nothing.
        lines: The last lines that the app wrote, oldest first.
    """

    cause: Cause
    detail: str = ""
    lines: tuple[str, ...] = ()

    def failure(self, step: str) -> Failure:
        """Return why a measurement failed whose app ended in a step of its own, such as "measuring"."""
        detail = f" ({self.detail})" if self.detail else ""
        reason = f"{self.cause.value} while {step}{detail}: {WAYS_OUT[self.cause]}"
        return Failure(None, reason, list(self.lines[-LAST_LINES:]))
