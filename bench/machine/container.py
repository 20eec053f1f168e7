"""The limits of the container that this process is in: control groups of version 2, and of version 1 where it is."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
UNLIMITED = 2.0**60
"""Version 1 writes "no limit" as nearly 2^63 bytes."""


@dataclass(frozen=True)
class Container:
    """Limits; None where there is none.

    Attributes:
        cores: CPU seconds a second.
        memory_bytes: Most that may be resident.
        throttled_seconds: For how long it has been held back so far; None where the system does not tell.
    """

    cores: float | None = None
    memory_bytes: int | None = None
    throttled_seconds: float | None = None


def container(root: Path = ROOT, membership: Path = Path("/proc/self/cgroup")) -> Container:
    """Read the limits that hold for this process, the strictest of its group and those above.

    What cannot be read, or makes no sense, is no limit.
    """
    groups = _groups(membership)
    if "" in groups and _is_there(root / "cgroup.controllers"):
        return _version_2(root, groups[""])
    cpu, memory = (_folders(root / name, groups.get(name, "/")) for name in ("cpu", "memory"))
    return Container(
        _cores([(_number(folder / "cpu.cfs_quota_us"), _number(folder / "cpu.cfs_period_us")) for folder in cpu]),
        _bytes([_number(folder / "memory.limit_in_bytes") for folder in memory]),
        _throttled([_table(folder / "cpu.stat").get("throttled_time") for folder in cpu], 1e9),
    )


def _version_2(root: Path, group: str) -> Container:
    folders = _folders(root, group)
    pairs = [_text(folder / "cpu.max").split() for folder in folders]
    return Container(
        _cores([(_parsed(pair[0]), _parsed(pair[1])) for pair in pairs if len(pair) == 2]),
        _bytes([_number(folder / "memory.max") for folder in folders]),
        _throttled([_table(folder / "cpu.stat").get("throttled_usec") for folder in folders], 1e6),
    )


def _groups(membership: Path) -> dict[str, str]:
    """Return the group's path by controller; version 2 has one path, under the empty name."""
    found = {}
    for line in _text(membership).splitlines():
        parts = line.split(":", 2)  # a path may hold colons, and spaces
        for controller in parts[1].split(",") if len(parts) == 3 else ():
            found[controller] = parts[2].removesuffix(" (deleted)")
    return found


def _folders(root: Path, group: str) -> list[Path]:
    """Return the folders of a group and of those above; within a container the outer part of the path is not there."""
    plain = re.sub(r"\\([0-3][0-7]{2})", lambda code: chr(int(code[1], 8)), group)  # as tables of mounts write spaces
    parts = [[part for part in path.split("/") if part] for path in dict.fromkeys((group, plain))]
    found = [root.joinpath(*names[:end]) for names in parts for end in range(len(names), -1, -1)]
    return [folder for folder in dict.fromkeys(found) if _is_there(folder)]


def _cores(quotas: list[tuple[float | None, float | None]]) -> float | None:
    """Return the least quota of time in cores; a quota or a period that is not positive is none."""
    return min((quota / period for quota, period in quotas if quota and period and quota > 0 < period), default=None)


def _bytes(limits: list[float | None]) -> int | None:
    known = [limit for limit in limits if limit and 0 < limit < UNLIMITED]
    return int(min(known)) if known else None


def _throttled(values: list[float | None], units: float) -> float | None:
    known = [value for value in values if value is not None]
    return max(known) / units if known else None


def _is_there(path: Path) -> bool:
    try:
        path.stat()
    except (OSError, ValueError):
        return False
    return True


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except (OSError, ValueError):
        return ""


def _number(path: Path) -> float | None:
    return _parsed(_text(path))


def _parsed(text: str) -> float | None:
    """Return a whole number; None for "max" and all that is none."""
    return float(text) if re.fullmatch(r"\s*-?[0-9]{1,30}\s*", text) else None


def _table(path: Path) -> dict[str, float]:
    lines = (line.split() for line in _text(path).splitlines())
    pairs = {words[0]: _parsed(words[1]) for words in lines if len(words) == 2}
    return {key: value for key, value in pairs.items() if value is not None}
