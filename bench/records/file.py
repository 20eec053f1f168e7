"""Files of records: a line is appended the moment its record exists, and survives whatever happens after."""

import json
import os
from pathlib import Path
from typing import BinaryIO

from bench.records.record import Record
from minivlm.errors import UserError
from minivlm.storage.files import exists, is_file


def append(path: Path, record: Record) -> None:
    """Add a record to a file, on disk when this returns; where that fails the file is as it was.

    What a killed process left unfinished at the end makes room.

    Raises:
        UserError: The file cannot be written.
    """
    if not _may_be_read(path):
        raise UserError(f"cannot add to {path}: it is no regular file; choose another folder with --output")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab+", buffering=0) as file:
            line = b"\n" * _close_last_line(file) + record.to_json().encode() + b"\n"
            size = file.seek(0, os.SEEK_END)
            try:
                written = file.write(line)
                if written != len(line):
                    file.write(line[written:])  # a disk that is full says so now
                os.fsync(file.fileno())
            except OSError:
                file.truncate(size)
                raise
    except OSError as error:
        raise UserError(
            f"cannot add to {path}: {error.strerror}; free space or choose another folder with --output, "
            "what was measured before is kept"
        ) from None


def _close_last_line(file: BinaryIO) -> bool:
    """Cut an unfinished last line off; tells whether a whole one lacks its line end."""
    file.seek(0)
    content = file.read()
    last = content[content.rfind(b"\n") + 1 :]
    if not last or _is_json(last):
        return bool(last)
    file.truncate(len(content) - len(last))
    return False


def _is_json(line: bytes | str) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def read(path: Path) -> list[Record]:
    """Read every record of a file.

    Raises:
        UserError: The file cannot be read, has no record, or a line is no record of this format; the message names the
            line.
    """
    found = _parse(path, _content(path))
    if not found:
        raise UserError(f"{path} has no records: measure with python bench/run.py")
    return found


def read_kept(path: Path) -> list[Record]:
    """Read what is whole in a file that a killed process may have left, or that is not there yet.

    Raises:
        UserError: The file cannot be read, or a finished line is no record of this format.
    """
    if not exists(path):
        return []
    content = _content(path)
    whole = content.rfind("\n") + 1
    return _parse(path, content if _is_json(content[whole:]) else content[:whole])


def _may_be_read(path: Path) -> bool:
    """Tell whether a path is no pipe, device or folder: reading one may never end."""
    return is_file(path) or not exists(path)


def _content(path: Path) -> str:
    if not _may_be_read(path):
        raise UserError(f"cannot read records from {path}: it is no regular file; give a records.jsonl of bench/run.py")
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise UserError(f"cannot read records from {path}: {reason}; give a records.jsonl of bench/run.py") from None


def _parse(path: Path, content: str) -> list[Record]:
    lines = content.split("\n")  # not splitlines, which also splits at characters that JSON leaves as they are
    records = []
    for number, line in enumerate(lines[:-1] if not lines[-1] else lines, start=1):
        try:
            records.append(Record.from_json(line))
        except ValueError as error:
            cut = number == len(lines) and not _is_json(line)
            way_out = "finish the run with --resume, or remove the line" if cut else "remove the line, or measure again"
            what = "was cut off" if cut else "is no record"
            raise UserError(f"{path}, line {number} {what} ({error}): {way_out}") from None
    return records
