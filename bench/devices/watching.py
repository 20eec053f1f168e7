"""Waiting for the sample app on a phone, which is asked as seldom as its measurement deserves."""

import json
import time
from dataclasses import replace
from typing import Any

from bench.devices.transport import Transport
from bench.measure.measuring import steady_stop
from bench.measure.plan import Plan
from bench.measure.timing import PROFILES
from bench.records.record import Failure
from minivlm.console import Steps

POLL_SECONDS = 1.0
QUIET_SECONDS = 30.0
"""Longest time between two questions while the app measures: each starts programs on the phone."""
STATUS = "results/status.json"
ABSENT = 3
"""As often in a row the process must be gone: it may end between its last word and the question."""


def watch(transport: Transport, plan: Plan, steps: Steps, run: str, number: int) -> Failure | None:
    """Wait until the app has measured; returns why it has not.

    Args:
        transport: The way to the app, which was started.
        plan: How long it measures, and how long it may show no progress.
        steps: Shows the app's steps.
        run: Id of the run,
        number: and its round: a status of another one is left over.

    Raises:
        UserError: The phone is gone.
    """
    measuring = steady_stop(PROFILES[plan.profile], plan.sustained).seconds
    step, since, absent = "", time.monotonic(), 0
    while True:
        status = _status(transport)
        fresh = status.get("run") == run and status.get("round") == number
        if fresh and status.get("state") == "finished":
            return None
        if fresh and status.get("state") == "failed":
            return Failure(None, str(status.get("message") or "the app says no reason"))
        shown = str(status.get("step")) if fresh else "starting"
        if shown != step:
            step, since, absent = shown, time.monotonic(), 0
            steps.say(f"    {step}{f' for {measuring:g} s' * (step == 'measuring')} ...")
        absent = 0 if transport.running() else absent + 1
        if absent >= ABSENT:
            failure = transport.death()
            return replace(failure, reason=f"while {step}, the app {failure.reason}")
        passed = time.monotonic() - since
        limit = plan.timeout + plan.cool_down + measuring * (step == "measuring")
        if passed > limit:
            reason = f"stopped: the app shows no progress after {limit:g} s of {step} (--timeout)"
            return Failure(None, reason, transport.last_words())
        time.sleep(_pause(passed, measuring) if step == "measuring" and not absent else POLL_SECONDS)


def _pause(passed: float, measuring: float) -> float:
    """Return for how many seconds not to ask: until the measurement may be done, then ever longer."""
    return min(QUIET_SECONDS, max(POLL_SECONDS, measuring - passed, passed))


def _status(transport: Transport) -> dict[str, Any]:
    try:
        found = json.loads(transport.pull(STATUS) or b"{}")
    except ValueError:  # caught while it was replaced
        return {}
    return found if isinstance(found, dict) else {}
