"""Apple's crash reports (.ips): what they say about the end of the app."""

import json
import signal
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bench.records.record import Failure

APP = "MiniVLM"
"""Name of the app's process."""
CLOSED = "MINIVLM closed"
"""What the app writes when the system ends it because somebody swiped it away."""
JETSAM = "298"
"""`bug_type` of a report on what was stopped for memory; it lists every process of the phone."""
USER_QUIT = 0xDEADFA11
WATCHDOG = 0x8BADF00D
ALONE = "leave the phone alone while it measures"


def concerns_app(name: str) -> bool:
    """Tell by its file name whether a report may be about the app."""
    file = name.rpartition("/")[2]
    return file.endswith(".ips") and file.startswith((f"{APP}-", f"{APP}.", "JetsamEvent-"))


def death_of(reports: Iterable[bytes], words: Sequence[str]) -> Failure:
    """Say why the app is gone; see `bench.devices.transport.Transport.death`.

    Args:
        reports: Of the time since its start, as the phone keeps them.
        words: The last lines that the app wrote.
    """
    found = next((one for one in map(_told, reports) if one is not None), None)
    code, reason = found or _from_words(words)
    return Failure(code, reason, list(words))


def _from_words(words: Sequence[str]) -> tuple[int | None, str]:
    if any(CLOSED in line for line in words):
        return None, f"was stopped by the user (swiped away): {ALONE}"
    return None, f"is gone, and the phone keeps no report on it; most often somebody stopped it: {ALONE}"


def _told(report: bytes) -> tuple[int | None, str] | None:
    """Read one report, a line of JSON that says its kind and a JSON object; returns exit code and reason."""
    header, _, body = report.decode(errors="replace").partition("\n")
    try:
        kind, content = json.loads(header), json.loads(body)
    except ValueError:
        return None
    if not isinstance(kind, dict) or not isinstance(content, dict):
        return None
    if str(kind.get("bug_type", "")) == JETSAM:
        return _jetsam(content)
    return _crash(content) if APP in (content.get("procName"), kind.get("app_name"), kind.get("name")) else None


def _jetsam(content: Mapping[str, Any]) -> tuple[int | None, str] | None:
    """Find the app among the processes; those that were stopped have a reason."""
    page = _part(content, "memoryStatus").get("pageSize")
    for process in _list(content, "processes"):
        if isinstance(process, dict) and process.get("name") == APP and process.get("reason"):
            pages = process.get("rpages")
            size = f", {page * pages / 2**20:.0f} MiB" if isinstance(page, int) and isinstance(pages, int) else ""
            return _short_of_memory(f"{process['reason']}{size}")
    return None


def _crash(content: Mapping[str, Any]) -> tuple[int | None, str] | None:
    end, exception = _part(content, "termination"), _part(content, "exception")
    code = end.get("code")
    reasons = [reason for reason in _list(end, "reasons") if isinstance(reason, str)]
    said = " ".join(reasons[0].split())[:200] if reasons else ""
    if end.get("namespace") == "JETSAM":
        return _short_of_memory(said or str(end.get("indicator") or "jetsam"))
    if code == USER_QUIT:
        return None, f"was stopped by the user (swiped away): {ALONE}"
    if code == WATCHDOG:
        return None, f"did not answer, and the system stopped it (watchdog{said and ': '}{said}): {ALONE}"
    name = str(exception.get("signal") or "")
    if not name and not end.get("indicator"):
        return None
    number = signal.Signals[name] if name in signal.Signals.__members__ else None
    more = ", ".join(part for part in (str(exception.get("type") or ""), said or _own_words(content)) if part)
    shown = f"crashed by {name or end['indicator']}{more and f' ({more})'}"
    return None if number is None else -int(number), shown


def _short_of_memory(detail: str) -> tuple[int | None, str]:
    short = f"was killed, as the phone was short of memory ({detail}): close other apps, or take a smaller model"
    return -int(signal.SIGKILL), short


def _own_words(content: Mapping[str, Any]) -> str:
    """Return what a library said before it ended the process, such as Swift's "Fatal error: ..."."""
    for said in _part(content, "asi").values():
        if isinstance(said, list) and said:
            return " ".join(str(said[0]).split())[:200]
    return ""


def _list(content: Mapping[str, Any], name: str) -> list[Any]:
    found = content.get(name)
    return found if isinstance(found, list) else []


def _part(content: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = content.get(name)
    return found if isinstance(found, dict) else {}
