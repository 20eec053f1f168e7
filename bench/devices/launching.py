"""How the iOS app is told what to do, on a phone and in the simulator; docs/phones-ios.md has the contract."""

from collections.abc import Mapping
from typing import Any

LOG = "results/log.txt"
"""What the app wrote since its last start."""

LAST_LINES = 20


def last_lines(log: bytes | None) -> list[str]:
    """Return what a record keeps of it."""
    return [line for line in (log or b"").decode(errors="replace").splitlines() if line.strip()][-LAST_LINES:]


def launch_words(arguments: Mapping[str, Any]) -> tuple[str, ...]:
    """Return arguments as the app takes them: "--warmup-runs 3 --verify yes"."""
    return tuple(part for name, value in arguments.items() for part in (f"--{name.replace('_', '-')}", _text(value)))


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
