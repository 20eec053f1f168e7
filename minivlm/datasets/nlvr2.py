"""NLVR2: a JSON object a line with identifier, sentence and label.

An identifier is {split}-{set}-{pair}-{sentence}, and the pictures of a pair are {split}-{set}-{pair}-img0.png and
-img1.png (lil-lab/nlvr, nlvr2/README.md). Data of one's own may name them in fields `left` and `right`.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from minivlm.datasets.json_data import identifier, read_json_lines, words
from minivlm.datasets.pictures import NOT_THERE, PictureFolder
from minivlm.datasets.report import Findings, Report

WHAT = "JSON lines as NLVR2 has them"
WAY_OUT = "give a JSON object a line with identifier, sentence and label"


@dataclass(frozen=True, kw_only=True)
class StatementExample:
    """A statement about two pictures.

    Attributes:
        id: The identifier.
        group: What statements about several pairs of one set share; consistency is counted over groups.
        left: File of the first picture.
        right: Of the second.
        sentence: As it is written.
        label: Whether it is true; None where the data does not say, as in the hidden test split.
    """

    id: str
    group: str
    left: Path
    right: Path
    sentence: str
    label: bool | None


@dataclass(frozen=True, kw_only=True)
class StatementData:
    """All of a file: examples in its order, and what there is and what was left out."""

    examples: tuple[StatementExample, ...]
    report: Report


def read_statements(path: Path, pictures: PictureFolder) -> StatementData:
    """Read a file; see the module.

    Raises:
        UserError: No line of it is a JSON object.
    """
    findings = Findings()
    examples: dict[str, StatementExample] = {}
    for number, entry in read_json_lines(path, WHAT, WAY_OUT, findings):
        example = _read_example(entry, number, pictures, findings)
        if example is not None and example.id in examples:
            findings.leave_out("statements whose identifier is there twice", example.id)
        elif example is not None:
            examples[example.id] = example
    held = tuple(examples.values())
    counts = (
        ("statements", len(held)),
        ("true", sum(example.label is True for example in held)),
        ("false", sum(example.label is False for example in held)),
        ("pictures", len({file for example in held for file in (example.left, example.right)})),
    )
    report = Report(title="nlvr2", source=path, counts=counts, findings=findings.found)
    return StatementData(examples=held, report=report)


def group_of(key: str) -> str:
    """Return the part of an identifier that does not say which pair it is; an identifier of another form is its own."""
    parts = key.split("-")
    return "-".join([*parts[:-2], parts[-1]]) if len(parts) >= 4 else key


def _read_example(
    entry: dict[str, Any], number: int, pictures: PictureFolder, findings: Findings
) -> StatementExample | None:
    key, sentence = identifier(entry.get("identifier")), words(entry.get("sentence"))
    if key is None:
        findings.leave_out("statements without identifier", f"line {number}")
        return None
    if sentence is None:
        findings.leave_out("statements without words", key)
        return None
    known, label = _read_label(entry.get("label"))
    if not known:
        findings.leave_out("statements whose label is neither true nor false", f"{key}: {entry.get('label')!r:.20}")
        return None
    pair = key.rpartition("-")[0]
    names = [words(entry.get(side)) or f"{pair}-img{place}.png" for place, side in enumerate(("left", "right"))]
    left, right = (pictures.named(name) for name in names)
    if left is None or right is None:
        findings.leave_out(NOT_THERE, f"{key}: {names[0] if left is None else names[1]}")
        return None
    if label is None:
        findings.note("statements without label", key)
    return StatementExample(id=key, group=group_of(key), left=left, right=right, sentence=sentence, label=label)


def _read_label(given: Any) -> tuple[bool, bool | None]:
    """Return whether a label can be used, and the label; NLVR2 writes "True" and "False"."""
    if given is None or isinstance(given, bool):
        return True, given
    text = given.strip().lower() if isinstance(given, str) else ""
    return text in ("true", "false"), text == "true"
