"""Xcode's devicectl as one asks it: an answer in JSON, errors by domain and code, a time limit, and a second try."""

import json
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from minivlm.errors import UserError

DEVICE_ERROR = "com.apple.dt.CoreDeviceError"
LAUNCH_ERROR = "FBSOpenApplicationErrorDomain"
POSIX_ERROR = "NSPOSIXErrorDomain"
GRACE_SECONDS = 15.0
"""Between the limit that devicectl keeps itself and the end of its process: it is known to hang."""
TRIES = 3
PAUSE_SECONDS = 2.0


@dataclass(frozen=True)
class DeviceError:
    """One error of the chain that devicectl gives, the outermost of which says least.

    Attributes:
        domain: Such as "com.apple.dt.CoreDeviceError".
        code: Within it.
        text: For a person.
        name: Of the code, where the domain gives one, such as "Locked".
    """

    domain: str
    code: int
    text: str
    name: str = ""


@dataclass(frozen=True)
class Answer:
    """What a command of devicectl came to.

    Attributes:
        outcome: "success", "failed", "timeout" (by its own account), "hung" (it was stopped) or "no answer".
        result: The command's own.
        errors: Outermost first.
        said: The last line that it wrote, for where there is no JSON.
    """

    outcome: str
    result: Mapping[str, Any] = field(default_factory=dict)
    errors: tuple[DeviceError, ...] = ()
    said: str = ""

    @property
    def ok(self) -> bool:
        """Whether it did what it should."""
        return self.outcome == "success"

    def items(self, name: str) -> list[dict[str, Any]]:
        """Return the objects of one of the result's lists."""
        found = self.result.get(name)
        return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []

    def has(self, domain: str, *codes: int) -> bool:
        """Tell whether the chain has an error of a domain, with one of these codes if some are given."""
        return any(error.domain == domain and (not codes or error.code in codes) for error in self.errors)

    def named(self, *names: str) -> bool:
        """Tell whether the chain has an error of one of these names."""
        return any(error.name in names for error in self.errors)

    @property
    def complaint(self) -> str:
        """What went wrong, in one line: the innermost error is the reason of the others."""
        if self.errors:
            last = next((error for error in reversed(self.errors) if error.text), self.errors[-1])
            return f"{last.text or 'no reason given'} ({last.domain} {last.code})"
        if self.outcome in ("timeout", "hung"):
            return "it did not answer in time"
        return self.said or "it said nothing"


def control(command: Sequence[str], rest: Sequence[str], seconds: float) -> Answer:
    """Run one command of devicectl.

    Args:
        command: Its words, such as ("device", "info", "apps"); options of devicectl's own follow them.
        rest: What comes behind these.
        seconds: In which it must end.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "answer.json")
        own = ("--timeout", f"{seconds:.0f}", "--json-output", str(path))
        try:
            done = subprocess.run(
                ["xcrun", "devicectl", *command, *own, *rest],
                capture_output=True,
                check=False,
                timeout=seconds + GRACE_SECONDS,
                stdin=subprocess.DEVNULL,
            )
        except subprocess.TimeoutExpired:
            return Answer("hung")
        lines = (done.stdout + b"\n" + done.stderr).decode(errors="replace").splitlines()
        said = next((line.strip() for line in reversed(lines) if line.strip()), "")
        return _read(path, done.returncode, said)


def ask(command: Sequence[str], rest: Sequence[str], seconds: float, tries: int = TRIES) -> Answer:
    """Run one command of devicectl, again where it failed in a way that passes."""
    answer = Answer("no answer")
    for number in range(tries):
        if number:
            time.sleep(PAUSE_SECONDS)
        answer = control(command, rest, seconds)
        if answer.ok or not passes(answer):
            return answer
    return answer


def passes(answer: Answer) -> bool:
    """Tell whether a failure may be gone at the next try: hangs, Busy, EINVAL, lost connections, and 7000.

    7000 ("Failed to retrieve the file node for ...") is what devicectl says of a file that is not there and of much
    that passes.
    """
    return (
        answer.outcome in ("timeout", "hung", "no answer")
        or answer.named("Busy")
        or answer.has(POSIX_ERROR, 22, 54, 57, 60)  # EINVAL, ECONNRESET, ENOTCONN, ETIMEDOUT
        or answer.has(DEVICE_ERROR, 4, 7000)
    )


def _read(path: Path, code: int, said: str) -> Answer:
    """Read the JSON that a command leaves."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        outcome = str(content["info"]["outcome"])
        result, error = content.get("result"), content.get("error")
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Answer("no answer", said=said)
    errors = tuple(_chain(error))
    if outcome == "success" and (code != 0 or errors):
        outcome = "failed"
    return Answer(outcome, result if isinstance(result, dict) else {}, errors, said)


def _chain(error: Any) -> Iterator[DeviceError]:
    """Yield an error and what caused it. Each value of `userInfo` lies in an object that names its type."""
    while isinstance(error, dict):
        info = error.get("userInfo")
        info = info if isinstance(info, dict) else {}
        texts = [_text(info, name) for name in ("NSLocalizedFailureReason", "NSLocalizedDescription")]
        code = error.get("code")
        yield DeviceError(
            str(error.get("domain", "")),
            code if isinstance(code, int) else 0,
            " ".join(next((text for text in texts if text), "").split()),
            _text(info, "BSErrorCodeDescription"),
        )
        below = info.get("NSUnderlyingError")
        error = below.get("error") if isinstance(below, dict) else None


def _text(info: Mapping[str, Any], name: str) -> str:
    value = info.get(name)
    found = value.get("string") if isinstance(value, dict) else value
    return found if isinstance(found, str) else ""


def require_xcode(answer: Answer) -> None:
    """Refuse to go on where devicectl itself is not there.

    Raises:
        UserError: xcrun finds none.
    """
    if answer.outcome == "no answer":
        raise UserError(
            f"devicectl does not answer ({answer.complaint}): install Xcode 16 or newer, open it once, and point "
            "xcode-select at it"
        )
