"""Apple's crash reports (.ips): what they say about the end of the app."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from bench.devices.deaths import Cause, Death

APP = "MiniVLM"
"""Name of the app's process."""
CLOSED = "MINIVLM closed"
"""What the app writes when the system ends it because somebody swiped it away."""
JETSAM = "298"
"""`bug_type` of a report on what was stopped for memory; it lists every process of the phone."""
USER_QUIT = 0xDEADFA11
WATCHDOG = 0x8BADF00D


def concerns_app(name: str) -> bool:
    """Tell by its file name whether a report may be about the app."""
    file = name.rpartition("/")[2]
    return file.endswith(".ips") and file.startswith((f"{APP}-", f"{APP}.", "JetsamEvent-"))


def death_of(reports: Iterable[bytes], lines: tuple[str, ...]) -> Death:
    """Return why the app ended.

    Args:
        reports: Of the time when it did, as the phone keeps them.
        lines: The last lines that the app wrote.
    """
    found = [death for death in (_death(report, lines) for report in reports) if death is not None]
    if found:
        return next((death for death in found if death.cause is not Cause.UNKNOWN), found[0])
    if any(CLOSED in line for line in lines):
        return Death(Cause.USER, "swiped away", lines)
    return Death(Cause.UNKNOWN, "there is no crash report", lines)


def _death(report: bytes, lines: tuple[str, ...]) -> Death | None:
    """Read one report: a line of JSON that says its kind, and a JSON object."""
    header, _, body = report.decode(errors="replace").partition("\n")
    try:
        kind, content = json.loads(header), json.loads(body)
    except ValueError:
        return None
    if not isinstance(kind, dict) or not isinstance(content, dict):
        return None
    if str(kind.get("bug_type", "")) == JETSAM:
        return _jetsam(content, lines)
    if APP not in (content.get("procName"), kind.get("app_name"), kind.get("name")):
        return None
    return _crash(content, lines)


def _jetsam(content: Mapping[str, Any], lines: tuple[str, ...]) -> Death | None:
    """Find the app among the processes; those that were stopped have a reason."""
    page = _part(content, "memoryStatus").get("pageSize")
    for process in content.get("processes") or []:
        if isinstance(process, dict) and process.get("name") == APP and process.get("reason"):
            pages = process.get("rpages")
            known = isinstance(page, int) and isinstance(pages, int)
            size = f", {page * pages / 2**20:.0f} MiB" if known else ""  # type: ignore[operator]
            return Death(Cause.MEMORY, f"{process['reason']}{size}", lines)
    return None


def _crash(content: Mapping[str, Any], lines: tuple[str, ...]) -> Death:
    end, exception = _part(content, "termination"), _part(content, "exception")
    code = end.get("code")
    reasons = [reason for reason in end.get("reasons") or [] if isinstance(reason, str)]
    said = " ".join(reasons[0].split())[:200] if reasons else ""
    if end.get("namespace") == "JETSAM":
        return Death(Cause.MEMORY, said or str(end.get("indicator") or "jetsam"), lines)
    if code == USER_QUIT:
        return Death(Cause.USER, "swiped away", lines)
    if code == WATCHDOG:
        return Death(Cause.UNRESPONSIVE, said or "watchdog", lines)
    signal = exception.get("signal") or end.get("indicator") or end.get("namespace")
    if not signal:
        return Death(Cause.UNKNOWN, said, lines)
    parts = [str(signal), str(exception.get("type") or ""), said or _own_words(content)]
    return Death(Cause.SIGNAL, ", ".join(dict.fromkeys(part for part in parts if part)), lines)


def _own_words(content: Mapping[str, Any]) -> str:
    """Return what a library said before it ended the process, such as Swift's "Fatal error: ..."."""
    for said in _part(content, "asi").values():
        if isinstance(said, list) and said:
            return " ".join(str(said[0]).split())[:200]
    return ""


def _part(content: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = content.get(name)
    return found if isinstance(found, dict) else {}
