"""Results example by example, as JSON lines: an interrupted run goes on from them, and two runs are compared by them.

The first line says what made them; every other line is an example with all that metrics need of it, so that they are
computed from this file alone.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from minivlm.datasets.json_data import read_json_lines
from minivlm.datasets.report import Findings
from minivlm.errors import UserError
from minivlm.storage.files import exists, write_text
from minivlm.storage.json_text import json_text
from minivlm.storage.lines import append_line

Record = dict[str, Any]

FORMAT = 1
"""Changes when records hold something else."""

WHAT = "results of minivlm evaluate"
WAY_OUT = "give a .jsonl file that minivlm evaluate TASK --output DIR wrote"


@dataclass(frozen=True, kw_only=True)
class Results:
    """A file that was read.

    Attributes:
        header: What made it.
        records: Example's id -> record, in the order of the file.
    """

    header: Record
    records: dict[str, Record]


def read_results(path: Path) -> Results:
    """Read a file; a last line that an interruption cut is no result.

    Raises:
        UserError: It is no such file.
    """
    header: Record | None = None
    records: dict[str, Record] = {}
    for _, entry in read_json_lines(path, WHAT, WAY_OUT, Findings()):
        if header is None:
            header = entry
        elif isinstance(entry.get("id"), str):
            records[entry["id"]] = entry
    if header is None or header.get("format") != FORMAT or not isinstance(header.get("task"), str):
        raise UserError(f"{path} is not {WHAT}, as its first line does not say so: {WAY_OUT}")
    return Results(header=header, records=records)


@dataclass
class RecordFile:
    """Where records are kept while a task runs; see `open_records`.

    Attributes:
        path: None keeps them in memory only.
        records: Example's id -> record.
    """

    path: Path | None
    records: dict[str, Record] = field(default_factory=dict)

    def add(self, record: Record) -> None:
        """Keep a record, on disk before the next example begins.

        Raises:
            UserError: It holds NaN, or the disk does not take it.
        """
        line = json_text(record, indent=None)
        if self.path is not None:
            try:
                append_line(self.path, line)
            except OSError as error:
                reason = error.strerror or error
                raise UserError(f"cannot write {self.path}: {reason}; free space and go on with --resume") from None
        self.records[record["id"]] = record


def open_records(path: Path | None, header: Mapping[str, Any], *, resume: bool) -> RecordFile:
    """Begin a file, or go on with one.

    Args:
        path: May be there only with `resume`; None keeps records in memory only.
        header: Says what makes the records; one that goes on must have the same.
        resume: Take the records that are there.

    Raises:
        UserError: It is there and `resume` is not given, or something else made it.
    """
    whole = {"format": FORMAT, **header}
    if path is None:
        return RecordFile(None)
    if exists(path) and not resume:
        raise UserError(f"{path} is there: go on with it by --resume, or give another --output")
    if not exists(path):
        write_text(path, f"{json_text(whole, indent=None)}\n")
        return RecordFile(path)
    results = read_results(path)
    for key in sorted(whole.keys() | results.header.keys()):
        if results.header.get(key) != whole.get(key):
            said, now = (json.dumps(one.get(key))[:60] for one in (results.header, whole))
            raise UserError(
                f"cannot go on with {path}: its {key} is {said}, and now it is {now}; give another --output"
            )
    # A line that was cut would swallow the next one: the file is written anew without it.
    write_text(path, "".join(f"{json_text(one, indent=None)}\n" for one in (whole, *results.records.values())))
    return RecordFile(path, dict(results.records))
