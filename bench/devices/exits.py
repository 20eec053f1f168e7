"""Why an Android app's process ended: the system's list of exits, its crash log, and what they mean for a person.

The system's words are those of `ApplicationExitInfo.dump` (frameworks/base, Android 11 and later) and of the logs that
`debuggerd` and the runtime write; docs/phones-android.md shows them.
"""

import re
import signal
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from bench.records.record import Failure

CRASH_LINES = 12
"""Of the crash log: the first ones name the error, what follows is the stack."""
SMALLER = "close other apps, or take a smaller model"
EXIT_SELF, SIGNALED, LOW_MEMORY, CRASH, CRASH_NATIVE, ANR = range(1, 7)
BY_USER = (10, 11)
"""Reasons of `ApplicationExitInfo`."""
PREFIX = re.compile(r"^\d\d-\d\d [\d:.]+ +\d+ +\d+ [VDIWEF] ")
"""Of a line in logcat's format "threadtime"."""


@dataclass(frozen=True)
class Exit:
    """One entry of `dumpsys activity exit-info`.

    Attributes:
        time: Of the phone's clock, such as "2026-11-26 10:00:00.123".
        pid: Of the process.
        reason: Number of the reason.
        name: The system's name of it.
        status: Exit code or signal.
        description: More, empty where the system knows no more.
    """

    time: str
    pid: int
    reason: int
    name: str
    status: int
    description: str


def read_exits(text: str, process: str) -> list[Exit]:
    """Return the exits of a process, newest first as they stand there; none from a system that keeps no list."""
    found = []
    for block in text.split("ApplicationExitInfo #")[1:]:
        fields = {
            "process": re.search(r"\bprocess=(\S+)", block),
            "time": re.search(r"\btimestamp=([\d-]+ [\d:.]+)", block),
            "pid": re.search(r"\bpid=(\d+)", block),
            "reason": re.search(r"(?<!sub)reason=(\d+) \((.*?)\)(?= subreason=| status=|\s*$)", block, re.MULTILINE),
        }
        if not all(fields.values()) or _first(fields["process"]) != process:
            continue
        status = re.search(r"\bstatus=(-?\d+)", block)
        description = re.search(r"\bdescription=(.*?)(?: state=.*)?$", block, re.MULTILINE)
        said = _first(description)
        found.append(
            Exit(
                time=_first(fields["time"]),
                pid=int(_first(fields["pid"])),
                reason=int(_first(fields["reason"])),
                name=fields["reason"][2] if fields["reason"] else "",
                status=int(_first(status) or 0),
                description="" if said == "null" else said,
            )
        )
    return found


def _first(found: re.Match[str] | None) -> str:
    return "" if found is None else found[1]


def crash_of(log: Iterable[str], package: str) -> list[str]:
    """Return how the crash log tells of a package's last crash, without times; nothing if it had none.

    Args:
        log: Its lines, which may tell of other apps, too.
        package: Name of the process. The kernel keeps 15 characters of it, which is what some lines have.
    """
    crashes: list[list[str]] = [[]]
    for line in log:
        said = PREFIX.sub("", line).strip()
        if "FATAL EXCEPTION" in said or "Fatal signal" in said:
            crashes.append([])
        crashes[-1].append(said)
    ours = [
        crash for crash in crashes if any(name in line for line in crash for name in (package, f"({package[-15:]})"))
    ]
    return ours[-1][:CRASH_LINES] if ours else []


def death(exits: Sequence[Exit], crash: Sequence[str], words: Sequence[str], since: str, pid: int | None) -> Failure:
    """Say why a process ended; see `bench.devices.transport.Transport.death`.

    Args:
        exits: Of the app, newest first.
        crash: Lines of its crash.
        words: Its own last lines.
        since: When it was started, in the form of `Exit.time`.
        pid: Of the process, None if it was never seen.
    """
    later = [one for one in exits if one.time >= since]
    known = [one for one in later if one.pid == pid] or later
    code, reason = _explained(known[0], crash) if known else _from_log(crash)
    return Failure(code, reason, [*crash, *words])


def _explained(found: Exit, crash: Sequence[str]) -> tuple[int | None, str]:
    """Return the exit code, negative for a signal, and the reason."""
    more = f" ({found.description})" if found.description else ""
    if found.reason == LOW_MEMORY or (found.reason == SIGNALED and found.status == signal.SIGKILL):
        return -int(signal.SIGKILL), f"was killed, as the phone was short of memory{more}: {SMALLER}"
    if found.reason in (SIGNALED, CRASH_NATIVE):
        verb = "crashed" if found.reason == CRASH_NATIVE else "was ended"
        return -found.status, f"{verb} by {_signal(found.status)}{more}{_hint(found.status)}"
    if found.reason == CRASH:
        return None, f"crashed ({_exception(crash) or found.description or 'the crash log says no more'})"
    if found.reason == ANR:
        return None, f"did not answer, and the system stopped it (ANR{more}): leave the phone alone while it measures"
    if found.reason in BY_USER:
        return None, f"was stopped by the user or another tool{more}: leave the phone alone while it measures"
    if found.reason == EXIT_SELF:
        return found.status, f"ended by itself with exit code {found.status}"
    return None, f"was ended by the system: {found.name.lower()}{more}"


def _from_log(crash: Sequence[str]) -> tuple[int | None, str]:
    """Return the same where the system keeps no list of exits, or not this one."""
    fatal = next((found for line in crash if (found := re.search(r"Fatal signal (\d+) ", line))), None)
    if fatal is not None:
        number = int(fatal[1])
        return -number, f"crashed by {_signal(number)}{_hint(number)}"
    if crash:
        return None, f"crashed ({_exception(crash) or crash[0]})"
    return None, f"was stopped, and the phone does not say why; most often it is short of memory: {SMALLER}"


def _exception(crash: Sequence[str]) -> str:
    """Return the exception of a crash in Kotlin, which stands behind the line of the process."""
    lines = [line.removeprefix("AndroidRuntime:").strip() for line in crash if line.startswith("AndroidRuntime:")]
    behind = [line for before, line in pairwise(lines) if before.startswith("Process:")]
    return behind[0] if behind else ""


def _hint(number: int) -> str:
    if number == signal.SIGILL:
        return ": the library has instructions that this processor or emulator lacks"
    return ""


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
