"""Files of JSON lines that grow: a line is on disk before the next is made, and survives whatever happens after."""

import json
import os
from pathlib import Path
from typing import BinaryIO

BLOCK = 1 << 16
"""Bytes read at a time, from the end backwards, in search of the last line."""


def append_line(path: Path, line: str) -> None:
    """Add a line of JSON to a regular file, which may be new; where that fails the file is as it was.

    What a killed process left unfinished at the end makes room.

    Raises:
        OSError: The file does not take it.
    """
    with path.open("ab+", buffering=0) as file:
        added = b"\n" * _close_last_line(file) + line.encode() + b"\n"
        size = file.seek(0, os.SEEK_END)
        try:
            written = file.write(added)
            if written != len(added):
                file.write(added[written:])  # a disk that is full says so now
            os.fsync(file.fileno())
        except OSError:
            file.truncate(size)
            raise


def is_json(line: bytes | str) -> bool:
    """Tell whether a line is whole."""
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _close_last_line(file: BinaryIO) -> bool:
    """Cut an unfinished last line off; tells whether a whole one lacks its line end."""
    end = file.seek(0, os.SEEK_END)
    start, last = end, b""
    while start and b"\n" not in last:
        start = max(start - BLOCK, 0)
        file.seek(start)
        last = file.read(min(BLOCK, end - start)) + last
        end = start
    last = last[last.rfind(b"\n") + 1 :]
    if not last or is_json(last):
        return bool(last)
    file.truncate(file.seek(0, os.SEEK_END) - len(last))
    return False
