"""Files within tar files, as WebDataset's shards keep them: each is read by itself, at its place.

A file in a shard has the path SHARD.tar/MEMBER, so whatever takes a path takes it. POSIX.1-1988 tar, with the long
names of GNU and pax, is read by the standard library; only headers are read to list a shard.
"""

import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath

SUFFIX = ".tar"
COMPRESSED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")
"""Cannot be read from the middle."""
BLOCK = 512
"""Bytes; an empty block ends a tar file."""
KEPT = 4096
"""Shards whose lists are kept in memory."""

Place = tuple[int, int]
"""Offset and size of a member's content, in bytes."""


@dataclass(frozen=True, kw_only=True)
class Shard:
    """What a tar file holds.

    Attributes:
        places: Member's path -> where its content is, in the file's order; of two of one name the first.
        faults: What is wrong, in the plural -> the names of what it is wrong with.
    """

    places: Mapping[str, Place]
    faults: Mapping[str, tuple[str, ...]]


def list_shard(path: Path) -> Shard:
    """Return what a tar file holds; its list is kept until the file's size or time changes.

    Raises:
        OSError: It cannot be read.
    """
    told = path.stat()
    return _listed(path.absolute(), told.st_size, told.st_mtime_ns)


@lru_cache(maxsize=KEPT)
def _listed(path: Path, size: int, _changed: int) -> Shard:
    places: dict[str, Place] = {}
    faults: dict[str, list[str]] = {}
    try:
        with path.open("rb") as file, tarfile.open(fileobj=file, mode="r:") as tar:
            try:
                for member in tar:
                    fault = _fault(member, places, size)
                    if fault is not None:
                        faults.setdefault(fault, []).append(f"{path.name}/{member.name}")
                    elif not member.isdir():
                        places[PurePosixPath(member.name).as_posix()] = (member.offset_data, member.size)
                file.seek(tar.offset)
                ended = file.read(BLOCK) == bytes(BLOCK)
            except tarfile.TarError:
                ended = False
        if not ended:
            faults.setdefault("shards that are cut short or damaged, read up to there", []).append(path.name)
    except (tarfile.TarError, ValueError):
        faults.setdefault("shards that are no tar file, or a compressed one: unpack it", []).append(path.name)
    return Shard(places=places, faults={what: tuple(names) for what, names in faults.items()})


def _fault(member: tarfile.TarInfo, places: Mapping[str, Place], size: int) -> str | None:
    if member.isdir():
        return None
    name = PurePosixPath(member.name)
    if name.is_absolute() or ".." in name.parts:
        return "members of shards with an absolute path or .. in it"
    if not member.isreg() or member.issparse():
        return "members of shards that are links or no plain files"
    if member.offset_data + member.size > size:
        return "members of shards that are cut short"
    return "members of shards whose name is there twice" if name.as_posix() in places else None


def member_of(path: Path) -> tuple[Path, str] | None:
    """Return the shard and the member that a path means; None where it leads through no tar file."""
    for parent in path.parents:
        if parent.name.lower().endswith(SUFFIX) and parent.is_file():
            return parent, path.relative_to(parent).as_posix()
    return None


def read_member(shard: Path, name: str) -> bytes | None:
    """Return a member's content, by one seek; None where there is none, or the shard is shorter by now.

    Raises:
        OSError: The shard cannot be read.
    """
    place = list_shard(shard).places.get(name)
    if place is None:
        return None
    offset, size = place
    with shard.open("rb") as file:
        file.seek(offset)
        content = file.read(size)
    return content if len(content) == size else None
