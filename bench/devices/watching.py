"""Watching the app on a phone while it measures, without being what it measures."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bench.devices.transport import Transport
from minivlm.errors import UserError

STATUS = "results/status.json"
QUIET_STEPS = ("warming up", "measuring")
"""Each question takes the phone's time; while it measures they come ever more rarely."""
MOST_PAUSES = 16.0
"""The longest pause, in first ones."""
ABSENCES = 3
"""Questions in a row that find no process: an app may end between its last word and the first of them."""


@dataclass(frozen=True)
class Seen:
    """How an app's work ended.

    Attributes:
        step: The last that it named.
        status: Its last words, with the state "finished" or "failed"; None where it is gone without them.
    """

    step: str
    status: dict[str, Any] | None


def watch(
    transport: Transport, run: str, number: int, *, pause: float, limit: float, say: Callable[[str], None]
) -> Seen:
    """Wait until the app is done.

    Args:
        transport: The way to the app.
        run: Id that its status must name.
        number: Round that its status must name.
        pause: Seconds between two looks; from look to look it doubles while the app measures.
        limit: Seconds that one step may take.
        say: Told each step of the app's.

    Raises:
        UserError: It shows no progress, or the phone is gone.
    """
    step, since, gone, looks = "", time.monotonic(), 0, 0
    while True:
        status = _status(transport)
        fresh = status.get("run") == run and status.get("round") == number
        if fresh and status.get("state") in ("finished", "failed"):
            return Seen(step, status)
        shown = str(status.get("step")) if fresh else "starting"
        if shown != step:
            step, since, gone, looks = shown, time.monotonic(), 0, 0
            say(step)
        gone = 0 if transport.running() else gone + 1
        if gone >= ABSENCES:
            return Seen(step, None)
        if time.monotonic() - since > limit:
            raise UserError(f"the app shows no progress after {limit:g} s of {step}: restart the phone, --resume")
        looks = looks + 1 if step in QUIET_STEPS and not gone else 0
        time.sleep(pause * min(2.0**looks, MOST_PAUSES))


def _status(transport: Transport) -> dict[str, Any]:
    try:
        found = json.loads(transport.pull(STATUS) or b"{}")
    except ValueError:  # caught while it was replaced
        return {}
    return found if isinstance(found, dict) else {}
