"""Finding the pictures that data speaks of, and telling which of them cannot be read."""

import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath

from minivlm.datasets.report import Finding, Findings, Report
from minivlm.errors import UserError
from minivlm.images.photos import PhotoError, load_photo
from minivlm.storage.files import is_folder
from minivlm.storage.shards import COMPRESSED, SUFFIX, list_shard, member_of, read_member

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".avif", ".gif", ".bmp", ".tif", ".tiff")
"""By which a file in a folder is taken for a picture; its content decides whether it is one."""

NOT_THERE = "examples whose picture is not in the folder"


class PictureFolder:
    """An image folder and its folders, listed once.

    Data sets name pictures by a path, by a file's name alone, or by a number as in COCO_val2014_000000000042.jpg.
    Whatever a data set says, only a file within the folder is found. Tar files are looked into: a picture in one has
    the path SHARD.tar/MEMBER, and is found by MEMBER too.

    Args:
        folder: With pictures in it, or in folders in it.

    Raises:
        UserError: It is no folder, or cannot be looked into.
    """

    def __init__(self, folder: Path) -> None:
        if not is_folder(folder):
            raise UserError(f"{folder} is no folder: give the folder with the pictures, --images DIR")
        self.folder = folder
        loose, self.shards, packed = _pictures_in(folder)
        self.texts: dict[Path, Path] = {}
        self._shard_findings = Findings()
        for name in packed:
            self._shard_findings.leave_out("compressed shards, which cannot be read from the middle: unpack them", name)
        self.files = tuple(sorted([*loose, *(path for shard in self.shards for path in self._members(shard))]))
        self._by_path = {path.relative_to(folder).as_posix(): path for path in self.files}
        self._by_name: dict[str, list[Path]] = {}
        self._by_member: dict[str, list[Path]] = {}
        self._by_number: dict[int, list[Path]] = {}
        for path in self.files:
            self._by_name.setdefault(path.name, []).append(path)
            self._by_member.setdefault(self.said_name(path), []).append(path)
            digits = re.search(r"([0-9]{1,18})$", path.stem)
            if digits is not None:
                self._by_number.setdefault(int(digits[1]), []).append(path)

    def named(self, name: str) -> Path | None:
        """Return the picture of a relative path or, where only one has it, of a file name; None where there is none."""
        path = name.removeprefix("./")
        found = self._by_path.get(path) or _only(self._by_member.get(path, []))
        return found or _only(self._by_name.get(PurePosixPath(name).name, []))

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What is wrong with the shards."""
        return self._shard_findings.found

    @property
    def reports(self) -> tuple[Report, ...]:
        """What is wrong with the shards as a report, where anything is."""
        counts = (("pictures", len(self.files)),)
        report = Report(title="shards", source=self.folder, counts=counts, findings=self.findings)
        return (report,) if self.findings else ()

    def said_name(self, picture: Path) -> str:
        """Return the name by which data speaks of a picture: its path in the folder, or in its shard."""
        held = member_of(picture) if self.shards else None
        return picture.relative_to(self.folder).as_posix() if held is None else held[1]

    def text_of(self, picture: Path) -> bytes | None:
        """Return what stands in the .txt beside a picture in a shard; None where there is none."""
        held = member_of(self.texts[picture]) if picture in self.texts else None
        return None if held is None else read_member(*held)

    def _members(self, shard: Path) -> list[Path]:
        """Return the pictures in a shard; notes their texts and what is wrong."""
        try:
            listed = list_shard(shard)
        except OSError as error:
            self._shard_findings.leave_out("shards that cannot be read", f"{shard.name}: {error.strerror}")
            return []
        for what, names in listed.faults.items():
            for name in names:
                self._shard_findings.leave_out(what, name)
        found = [shard / name for name in listed.places if _is_picture(PurePosixPath(name).name)]
        for picture in found:
            text = picture.with_suffix(".txt")
            if text.relative_to(shard).as_posix() in listed.places:
                self.texts[picture] = text
        return found

    def numbered(self, number: str) -> Path | None:
        """Return the one picture whose name ends in a number; None where there is none, or are several."""
        return _only(self._by_number.get(int(number), [])) if number.isascii() and number.isdigit() else None


def _only(paths: list[Path]) -> Path | None:
    return paths[0] if len(paths) == 1 else None


def _is_picture(name: str) -> bool:
    return name.lower().endswith(SUFFIXES) and not name.startswith(".")


def _pictures_in(folder: Path) -> tuple[list[Path], list[Path], list[str]]:
    """Return the pictures and the shards in a folder, and the names of shards that are compressed."""

    def refuse(error: OSError) -> None:
        raise UserError(f"cannot look into {error.filename}: {error.strerror}; ask its owner for access") from None

    files = sorted(Path(parent, name) for parent, _, names in os.walk(folder, onerror=refuse) for name in names)
    seen = [path for path in files if not path.name.startswith(".")]
    shards = [path for path in seen if path.name.lower().endswith(SUFFIX)]
    packed = [path.name for path in seen if path.name.lower().endswith(COMPRESSED)]
    return [path for path in seen if _is_picture(path.name)], shards, packed


def check_pictures(
    source: Path, pictures: Iterable[Path], progress: Callable[[int, int], None], sizes: dict[Path, tuple[int, int]]
) -> Report:
    """Open pictures, each once.

    Args:
        source: Where they are, for the report.
        pictures: Files, in any order.
        progress: Called with the number of the picture that comes next, from 1, and of all.
        sizes: Height and width in pixels as data says them, for the pictures of which it says them.

    Returns:
        How many can be read; broken ones and those of another size are named.
    """
    findings = Findings()
    distinct = sorted(set(pictures))
    readable = 0
    for place, path in enumerate(distinct, start=1):
        progress(place, len(distinct))
        try:
            photo = load_photo(path)
        except PhotoError as error:
            findings.leave_out("pictures that cannot be read", fault_of(path, error))
            continue
        readable += 1
        said = sizes.get(path)
        if said is not None and said != (photo.height, photo.width):
            what = "pictures of another size than the data says"
            findings.note(what, f"{path.name}: {photo.width}x{photo.height}, not {said[1]}x{said[0]}")
    return Report(title="pictures", source=source, counts=(("readable", readable),), findings=findings.found)


def fault_of(picture: Path, error: PhotoError) -> str:
    """Return what is wrong with a picture, with its name where the message has its path: many may be told of."""
    said = str(error)
    rest = said.removeprefix(repr(str(picture)))
    return said if rest == said else f"{picture.name}{rest}"
