"""The limits of the container that this process is in: control groups of version 2, and of version 1 where it is."""

from dataclasses import dataclass
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")


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
    """Read the limits that hold for this process, the strictest of its group and those above."""
    groups = _groups(membership)
    if "" in groups and (root / "cgroup.controllers").is_file():
        return _version_2(root, groups[""])
    cpu, memory = (_folders(root / name, groups.get(name, "/")) for name in ("cpu", "memory"))
    quotas = [(_number(folder / "cpu.cfs_quota_us"), _number(folder / "cpu.cfs_period_us")) for folder in cpu]
    limits = [_number(folder / "memory.limit_in_bytes") for folder in memory]
    return Container(
        _least([quota / period for quota, period in quotas if quota and period and quota > 0]),
        _bytes([limit for limit in limits if limit and limit < 2**60]),  # "no limit" is written as nearly 2**63
        _throttled([_table(folder / "cpu.stat").get("throttled_time") for folder in cpu], 1e9),
    )


def _version_2(root: Path, group: str) -> Container:
    folders = _folders(root, group)
    quotas = [_words(folder / "cpu.max") for folder in folders]
    limits = [_number(folder / "memory.max") for folder in folders]
    return Container(
        _least([float(words[0]) / float(words[1]) for words in quotas if len(words) == 2 and words[0] != "max"]),
        _bytes([limit for limit in limits if limit]),
        _throttled([_table(folder / "cpu.stat").get("throttled_usec") for folder in folders], 1e6),
    )


def _groups(membership: Path) -> dict[str, str]:
    """Return the group's path by controller; version 2 has one path, under the empty name."""
    found = {}
    for line in _words(membership):
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            found[controller] = path
    return found


def _folders(root: Path, group: str) -> list[Path]:
    """Return the folders of a group and of those above; within a container the outer part of the path is not there."""
    parts = group.strip("/").split("/") if group.strip("/") else []
    return [folder for end in range(len(parts), -1, -1) if (folder := root.joinpath(*parts[:end])).is_dir()]


def _least(values: list[float]) -> float | None:
    return min(values, default=None)


def _bytes(values: list[float]) -> int | None:
    return int(min(values)) if values else None


def _throttled(values: list[float | None], units: float) -> float | None:
    known = [value for value in values if value is not None]
    return max(known) / units if known else None


def _words(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").split()
    except OSError:
        return []


def _number(path: Path) -> float | None:
    words = _words(path)
    return float(words[0]) if words and words[0].lstrip("-").isdecimal() else None


def _table(path: Path) -> dict[str, float]:
    words = _words(path)
    return {key: float(value) for key, value in zip(words[::2], words[1::2], strict=False)}
