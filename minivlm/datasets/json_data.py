"""Reading JSON of data sets: files of any size, of which a bad entry is left out and only a bad file is refused."""

import json
import math
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from minivlm.datasets.report import Findings
from minivlm.errors import UserError
from minivlm.storage.text_files import read_text


def read_json(path: Path, what: str, way_out: str) -> Any:
    """Read a JSON file of any size; numbers that are none are left to who reads the entries.

    Args:
        path: Of the file, in UTF-8 with or without a byte-order mark.
        what: What it should be, for messages, such as "detection JSON".
        way_out: What the user can do, the end of every message.

    Raises:
        UserError: It is not there, cannot be read, or is no JSON.
    """
    text = read_text(path, what, way_out, most=None)
    try:
        return json.loads(text)
    except RecursionError:
        raise UserError(f"{path} is not {what}, as it is nested too deep: {way_out}") from None
    except ValueError as error:
        raise UserError(f"{path} is not {what}, as it is not JSON ({error}): {way_out}") from None


def read_json_object(path: Path, what: str, way_out: str) -> dict[str, Any]:
    """Read a JSON file that holds one object; see `read_json`.

    Raises:
        UserError: As `read_json`, or it is no object.
    """
    content = read_json(path, what, way_out)
    if not isinstance(content, dict):
        raise UserError(f"{path} is not {what}, as it is no JSON object: {way_out}")
    return content


def read_json_lines(path: Path, what: str, way_out: str, findings: Findings) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the number, from 1, and object of every line; lines that hold no object are left out.

    Args:
        path: Of the file.
        what: What it should be, for messages.
        way_out: What the user can do.
        findings: Where such lines are counted.

    Raises:
        UserError: The file cannot be read, or no line of it is an object.
    """
    entries, wrong = [], 0
    for number, line in enumerate(read_text(path, what, way_out, most=None).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            entry = None
        if isinstance(entry, dict):
            entries.append((number, entry))
        else:
            wrong += 1
            findings.leave_out("lines that are no JSON object", f"line {number}")
    if wrong and not entries:
        raise UserError(f"{path} is not {what}, as none of its lines is a JSON object: {way_out}")
    yield from entries


def entries_of(
    content: dict[str, Any], key: str, path: Path, what: str, way_out: str, findings: Findings
) -> Iterator[dict[str, Any]]:
    """Yield the objects of a list within a file; what is no object there is left out.

    Raises:
        UserError: There is no such list.
    """
    entries = content.get(key)
    if not isinstance(entries, list):
        raise UserError(f'{path} is not {what}, as it has no list "{key}": {way_out}')
    return objects_of(entries, key, findings)


def objects_of(entries: list[Any], name: str, findings: Findings) -> Iterator[dict[str, Any]]:
    """Yield the objects of a list; what is no object there is left out."""
    for number, entry in enumerate(entries):
        if isinstance(entry, dict):
            yield entry
        else:
            findings.leave_out("entries that are no JSON object", f"{name}[{number}]")


def identifier(value: Any) -> str | None:
    """Return a number's or text's name as an id; None for what cannot be one."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return str(value) if abs(value) < 10**18 else None
    return words(value)


def words(value: Any) -> str | None:
    """Return a text without the space around it; None where there is no letter or digit, or it cannot be encoded."""
    return _words(value) if isinstance(value, str) else None


@lru_cache(maxsize=65536)  # ten people give one answer
def _words(text: str) -> str | None:
    if not any(char.isalnum() for char in text):
        return None
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:  # half of a surrogate pair
        return None
    return text.strip()


def number(value: Any) -> float | None:
    """Return a finite number; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None
