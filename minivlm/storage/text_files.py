"""Reading small text files that a user brings, whatever editor wrote them."""

from collections.abc import Sequence
from pathlib import Path

from minivlm.errors import UserError
from minivlm.storage.files import exists, is_file, is_folder

MOST_BYTES = 64 << 20
"""Far above any vocabulary or description; a larger file is something else."""

BYTE_ORDER_MARK = "\ufeff"
OTHER_MARKS = {b"\xff\xfe": "UTF-16 or UTF-32", b"\xfe\xff": "UTF-16", b"\x00\x00\xfe\xff": "UTF-32"}


def read_text(path: Path, what: str, way_out: str, most: int | None = MOST_BYTES) -> str:
    r"""Read a text file in UTF-8, without the byte-order mark it may begin with, its lines ended by "\n".

    The mark and Windows' "\r\n" say how a text is stored and are no part of it. A "\r" elsewhere stays.

    Args:
        path: Of the file.
        what: What it should be, for messages, such as "a checkpoint's config".
        way_out: What the user can do, the end of every message.
        most: Bytes that it may have; None for what may be as large as memory.

    Raises:
        UserError: There is none, it cannot be read, or it is no text in UTF-8.
    """
    data = _read_bytes(path, what, way_out, most)
    for mark, name in OTHER_MARKS.items():
        if data.startswith(mark):
            raise UserError(f"{path} is {name}, and {what} is UTF-8: save it as UTF-8")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not {what}, as it is not UTF-8 at byte {error.start}: {way_out}") from None
    return text.removeprefix(BYTE_ORDER_MARK).replace("\r\n", "\n")


def _read_bytes(path: Path, what: str, way_out: str, most: int | None) -> bytes:
    if is_folder(path):
        raise UserError(f"{path} is a folder and should be {what}: {way_out}")
    if not exists(path):
        raise UserError(f"cannot read {what} {path} (No such file or directory): {way_out}")
    if not is_file(path):  # reading a pipe or a device may never end
        raise UserError(f"{path} is no regular file and should be {what}: {way_out}")
    try:
        with path.open("rb") as file:
            data = file.read(-1 if most is None else most + 1)
    except PermissionError:
        raise UserError(f"no permission to read {what} {path}: allow it, or use a copy of your own") from None
    except OSError as error:
        raise UserError(f"cannot read {what} {path} ({error.strerror or error}): {way_out}") from None
    except MemoryError:
        raise UserError(f"{path} does not fit into this machine's memory: split it") from None
    if most is not None and len(data) > most:
        raise UserError(f"{path} is larger than {most >> 20} MiB and should be {what}: {way_out}")
    return data


def read_lines(path: Path, what: str, way_out: str) -> list[str]:
    """Read a list of names, one a line, none empty, none twice; see `read_text` for the rest.

    Lines end at line feeds only: Unicode has other marks that break lines, and some vocabularies hold them.

    Raises:
        UserError: Naming the line that cannot be a name.
    """
    lines = read_text(path, what, way_out).removesuffix("\n").split("\n")
    check_lines(lines, str(path))
    return lines


def check_lines(lines: Sequence[str], name: str) -> None:
    """Refuse lines that could not be read back as they are, and names that stand for two ids.

    Args:
        lines: Entry by entry.
        name: Where they are from, for messages.

    Raises:
        UserError: Naming the first line that breaks a rule, counted from 1.
    """
    first: dict[str, int] = {}
    for number, line in enumerate(lines, start=1):
        complaint = _complaint(line)
        if complaint:
            raise UserError(f"{name} {complaint} on line {number}, which cannot be a line: every one must be a name")
        if line in first:
            raise UserError(
                f"{name} holds {line[:80]!r} on lines {first[line]} and {number}: every name must have one id"
            )
        first[line] = number


def _complaint(line: str) -> str | None:
    if not line.strip(" "):
        return "has nothing"
    if line != line.strip(" "):
        return "has spaces before or after the name"
    control = next((char for char in line if char < " " or char == "\x7f"), None)
    if control is not None:
        return f"has the control character {control!r}"
    if line.startswith(BYTE_ORDER_MARK) and len(line) > 1:
        return "has a byte-order mark, as where files were joined,"
    return None
