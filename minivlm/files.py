"""Writing files so that a reader never sees half of one, and hashing them."""

import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from enum import Enum, auto
from pathlib import Path

from minivlm.errors import UserError, printable


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path in the same folder; it takes the place of `path` only if the block ends well.

    Raises:
        UserError: The folder cannot be made or written to, or the disk is full.
    """
    partial: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent)
        os.close(handle)
        partial = Path(name)
        yield partial
        partial.chmod(0o644)
        partial.replace(path)
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"cannot write {path}: {reason}; choose another folder or free space") from None
    finally:
        if partial is not None:
            partial.unlink(missing_ok=True)


@contextmanager
def assembling(path: Path) -> Iterator[Path]:
    """Give a path of the same name in a temporary folder beside; what the block makes there takes the place of `path`.

    For writers that insist on a suffix or make a whole folder. Whatever else they leave beside it is removed.

    Raises:
        UserError: The folder cannot be made or written to, or the disk is full.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{path.name}.", suffix=".partial", dir=path.parent) as folder:
            made = Path(folder, path.name)
            yield made
            if path.is_dir():  # only an empty folder could be replaced in one step
                path.rename(Path(folder, "replaced"))
            made.rename(path)
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"cannot write {path}: {reason}; choose another folder or free space") from None


def is_file(path: Path) -> bool:
    """Tell whether a path is a file; unlike `Path.is_file`, never with an error of the system's.

    Raises:
        UserError: It cannot be looked at, for want of permission or because it is no path at all.
    """
    return _kind(path) is _Kind.FILE


def is_folder(path: Path) -> bool:
    """Tell whether a path is a folder; see `is_file`."""
    return _kind(path) is _Kind.FOLDER


def exists(path: Path) -> bool:
    """Tell whether anything is at a path; see `is_file`."""
    return _kind(path) is not _Kind.NOTHING


class _Kind(Enum):
    FILE = auto()
    FOLDER = auto()
    OTHER = auto()
    NOTHING = auto()


def _kind(path: Path) -> _Kind:
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return _Kind.NOTHING
    except (OSError, ValueError) as error:  # a null character is a ValueError
        reason = getattr(error, "strerror", None) or error
        shown = printable(str(path))
        raise UserError(f"cannot look at {shown[:80]}{'...' * (len(shown) > 80)}: {reason}") from None
    return _Kind.FILE if stat.S_ISREG(mode) else _Kind.FOLDER if stat.S_ISDIR(mode) else _Kind.OTHER


def same_file(path: Path, other: Path) -> bool:
    """Tell whether two paths lead to one file or folder, by whatever names; False where either is not there."""
    try:
        return path.samefile(other)
    except (OSError, ValueError):
        return False


def check_output(output: Path, inputs: Iterable[Path]) -> None:
    """Refuse an output that would overwrite an input.

    Raises:
        UserError: Naming both.
    """
    for path in inputs:
        if same_file(output, path):
            raise UserError(f"{output} is the input {path}, which would be overwritten: write to another name")


def write_text(path: Path, text: str) -> None:
    """Write a text file as a whole or not at all."""
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")


def sha256(path: Path) -> str:
    """Return the SHA-256, in hexadecimal, of a file; of a folder, over the names and hashes of all files in it."""
    if path.is_dir():
        listed = "".join(f"{file.relative_to(path).as_posix()} {sha256(file)}\n" for file in _files(path))
        return hashlib.sha256(listed.encode()).hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def size_bytes(path: Path) -> int:
    """Return the size of a file, or of all files in a folder."""
    return sum(file.stat().st_size for file in _files(path)) if path.is_dir() else path.stat().st_size


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


@contextmanager
def publishing(paths: Sequence[Path]) -> Iterator[Path]:
    """Give an empty folder beside; the files and folders that the block makes there take their places all together.

    What belongs together, and was there before, stays as it was unless everything new is complete and in place. Where
    the block makes nothing for a path, what was there goes, too.

    Args:
        paths: In one folder, in the order in which they are put there.

    Raises:
        UserError: The folder cannot be made or written to, or the disk is full.
    """
    last = paths[-1]
    try:
        last.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{last.name}.", suffix=".partial", dir=last.parent))
        made, aside = folder / "new", folder / "old"
        try:
            made.mkdir()
            aside.mkdir()
            yield made
            _exchange(made, aside, paths)
            shutil.rmtree(aside, ignore_errors=True)
        finally:
            shutil.rmtree(made, ignore_errors=True)
            for empty in (aside, folder):  # what could not be put back is kept
                with suppress(OSError):
                    empty.rmdir()
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"cannot write {last}: {reason}; choose another folder or free space") from None


def _exchange(made: Path, aside: Path, paths: Sequence[Path]) -> None:
    """Move what was there aside and what was made to its places; if that fails, everything back."""
    moves = [
        (source, target)
        for path in paths
        for source, target in ((path, aside / path.name), (made / path.name, path))
        if os.path.lexists(source)
    ]
    try:
        for source, target in moves:
            source.rename(target)
    except BaseException as error:
        for source, target in reversed(moves):
            if os.path.lexists(target) and not os.path.lexists(source):
                try:
                    target.rename(source)
                except OSError:
                    raise UserError(
                        f"cannot write {paths[-1]}: {error}; what was there could not be put back and is in {aside}"
                    ) from None
        raise
