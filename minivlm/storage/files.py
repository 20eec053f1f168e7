"""Writing files so that a reader never sees half of one, and hashing them."""

import errno
import hashlib
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from enum import Enum, auto
from pathlib import Path

from minivlm.errors import UserError, printable

DISK_ERRORS = (
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EIO,
    errno.EROFS,
    errno.ENAMETOOLONG,
    errno.ELOOP,
    errno.EMFILE,
)
"""What keeps a file from being written, whichever it is."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path in the same folder; it takes the place of `path` only if the block ends well.

    A symbolic link stays, and what it points to is replaced. A device or pipe, such as /dev/stdout, stays too: it gets
    the whole content at the end. A file that is replaced hands its permissions on.

    Raises:
        UserError: It is a folder, the folder cannot be made or written to, or the disk is full.
    """
    if _is_special(path):
        with tempfile.TemporaryDirectory() as folder, _disk_errors(path, Path(folder)):
            yield Path(folder, "content")
            _pour(Path(folder, "content"), path)
        return
    with _disk_errors(path, path.parent):
        target = _target(path)
        mode = stat.S_IMODE(target.stat().st_mode) if target.exists() else None
        partial = target.with_name(_partial_name(path))
        partial.touch(exist_ok=False)  # with the permissions that the user wants for new files
    try:
        with _disk_errors(path, target.parent):
            mode = mode or stat.S_IMODE(partial.stat().st_mode)
            yield partial
            partial.chmod(mode)  # some writers make a file of their own
            partial.replace(target)
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


@contextmanager
def assembling(path: Path) -> Iterator[Path]:
    """Give a path of the same name in a temporary folder beside; what the block makes there takes the place of `path`.

    For writers that insist on a suffix or make a whole folder. Whatever else they leave beside it is removed. A
    symbolic link stays, and what it points to is replaced.

    Raises:
        UserError: The folder cannot be made or written to, the disk is full, or a file would replace a folder or a
            folder anything else.
    """
    with ExitStack() as stack:
        with _disk_errors(path, path.parent):
            target = _target(path)
            folder = Path(target.parent, _partial_name(path))
            folder.mkdir(mode=0o700)
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
        with _disk_errors(path, target.parent):
            made = folder / path.name
            yield made
            _move_in(made, target, folder / f"replaced{path.suffix}.old")


def _target(path: Path) -> Path:
    """Make the folder of an output, and return the path without symbolic links."""
    target = path.resolve() if path.is_symlink() else path
    target.parent.mkdir(parents=True, exist_ok=True)
    return target


def _partial_name(path: Path) -> str:
    """Return a hidden name of its own for an output that is not complete; a file's name has 255 bytes."""
    return f".{path.name[:40]}.{secrets.token_hex(4)}.partial"


def _is_special(path: Path) -> bool:
    """Tell whether an output is a device or a pipe; refuses a folder and the file that stdout or stderr goes to."""
    kind = _kind(path)
    if kind is _Kind.FOLDER:
        raise UserError(f"cannot write {path}: it is a folder; name a file in it")
    if kind is _Kind.FILE:
        for stream, descriptor in (("stdout", 1), ("stderr", 2)):
            with suppress(OSError):
                if os.path.samestat(path.stat(), os.fstat(descriptor)):
                    raise UserError(f"cannot write {path}: {stream} goes there; name another file")
    return kind is _Kind.OTHER


def _pour(source: Path, special: Path) -> None:
    """Write a file's content to a device or pipe."""
    with source.open("rb") as content, special.open("wb") as sink:
        shutil.copyfileobj(content, sink)


def _move_in(made: Path, target: Path, aside: Path) -> None:
    """Put what was made in the place of what is there, which comes back if that fails."""
    if target.exists() and (target.is_dir() or made.is_dir()) and not (target.is_dir() and made.is_dir()):
        there, new = ("folder", "file") if target.is_dir() else ("file", "folder")
        raise UserError(f"cannot write {target}: a {there} is there, which a {new} may not replace; move it away")
    if not target.is_dir():
        made.replace(target)
        return
    target.rename(aside)  # only an empty folder could be replaced in one step
    try:
        made.rename(target)
    except BaseException:
        aside.rename(target)
        raise


@contextmanager
def _disk_errors(path: Path, folder: Path) -> Iterator[None]:
    """Turn whatever a writer raises because of the disk into one line; its other errors are its own."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        reason = _disk_reason(error, folder)
        if reason is None:
            raise
        raise UserError(f"cannot write {path}: {reason}; choose another folder or free space") from None


def _disk_reason(error: Exception, folder: Path) -> str | None:
    """Say what the disk did not like; libraries written in other languages wrap it in errors of their own."""
    if isinstance(error, OSError) and error.errno in DISK_ERRORS:
        return error.strerror
    if isinstance(error, OSError) and error.filename is not None:
        ours = Path(os.fsdecode(error.filename)).absolute().is_relative_to(folder.absolute())
        return error.strerror if ours else None
    if isinstance(error, ValueError) and "null byte" in str(error):
        return "a name cannot hold a null character"
    said = (os.strerror(number) for number in DISK_ERRORS)
    return next((text for text in said if text in str(error)), None)


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
    """Refuse an output that would overwrite an input, or a folder that would be replaced with an input in it.

    Args:
        output: A file or folder, which may be there.
        inputs: Files, and folders all of whose files are inputs.

    Raises:
        UserError: Naming both.
    """
    if not exists(output):
        return
    for given in inputs:
        for path in files_in(given) if is_folder(given) else [given]:
            inside = is_folder(output) and path.resolve().is_relative_to(output.resolve())
            if inside or same_file(output, path):
                raise UserError(f"{output} is the input {path}, which would be overwritten: write to another name")


def check_outputs(outputs: Iterable[Path], inputs: Iterable[Path] = ()) -> None:
    """Refuse files to be written, before any work is done, of which one is a folder, an input, or there twice.

    Raises:
        UserError: Naming it.
    """
    seen: list[Path] = []
    given = list(inputs)
    for output in outputs:
        if is_folder(output):
            raise UserError(f"cannot write {output}: it is a folder; name a file in it")
        check_output(output, given)
        for other in seen:
            one = same_file(output, other) or os.path.realpath(output) == os.path.realpath(other)
            if one and _kind(output) is not _Kind.OTHER:  # a device takes both
                raise UserError(f"{output} and {other} are one file, and each would be written: name two")
        seen.append(output)


def write_text(path: Path, text: str) -> None:
    """Write a text file as a whole or not at all."""
    with replacing(path) as partial:  # half of a surrogate pair, from a name that is no text, is escaped
        partial.write_text(text, encoding="utf-8", errors="backslashreplace")


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


def files_in(folder: Path) -> list[Path]:
    """Return all files in a folder and its folders, sorted; none of what is not there or not a folder.

    Raises:
        UserError: A folder cannot be looked into.
    """
    if not is_folder(folder):
        return []
    try:
        return _files(folder)
    except OSError as error:
        raise UserError(f"cannot look into {error.filename}: {error.strerror}; ask its owner for access") from None
