"""Files of records: a line is appended the moment its record exists, and survives whatever happens after."""

from pathlib import Path

from bench.records.record import Record
from minivlm.errors import UserError
from minivlm.storage.files import exists, is_file
from minivlm.storage.lines import append_line, is_json


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
        append_line(path, record.to_json())
    except OSError as error:
        raise UserError(
            f"cannot add to {path}: {error.strerror}; free space or choose another folder with --output, "
            "what was measured before is kept"
        ) from None


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
    return _parse(path, content if is_json(content[whole:]) else content[:whole])


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
            cut = number == len(lines) and not is_json(line)
            way_out = "finish the run with --resume, or remove the line" if cut else "remove the line, or measure again"
            what = "was cut off" if cut else "is no record"
            raise UserError(f"{path}, line {number} {what} ({error}): {way_out}") from None
    return records
