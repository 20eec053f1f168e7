"""Judgements as a terminal table, as Markdown for a pull request, and in formats that other programs read."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree

from rich import box
from rich.console import Console
from rich.table import Table

from bench.records.media import for_markdown, for_terminal
from bench.regression.verdict import Judgement, Verdict
from minivlm.errors import printable
from minivlm.storage.json_text import json_text

HEADINGS = ("model", "quantity", "base", "new", "change", "interval", "verdict")
STYLES = {Verdict.SLOWER: "red", Verdict.DIFFERENT: "red", Verdict.BROKEN: "red", Verdict.FASTER: "green"}


def show(judgements: Sequence[Judgement], console: Console) -> None:
    """Print a table, metrics that agree left out, and one line that sums up."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in HEADINGS:
        table.add_column(heading, justify="left" if heading in ("model", "quantity", "verdict") else "right")
    for judgement in _worth_showing(judgements):
        *cells, verdict = _cells(judgement)
        shown = map(for_terminal, cells)
        table.add_row(*shown, for_terminal(verdict, STYLES.get(judgement.verdict, "")))
    console.print(table)
    console.print(summary(judgements))


def summary(judgements: Sequence[Judgement]) -> str:
    """Return one line: the most important verdict first, and how often each was given."""
    counts = Counter(judgement.verdict for judgement in judgements)
    regressions = sum(judgement.regression for judgement in judgements)
    listed = ", ".join(f"{counts[verdict]} {verdict}" for verdict in Verdict if counts[verdict])
    head = f"{regressions} regression{'s' * (regressions != 1)}" if regressions else "No regression"
    return f"{head}: {listed}."


def markdown(judgements: Sequence[Judgement]) -> str:
    """Return a comment for a pull request: what changed on top, everything else folded."""
    lines = [f"### Benchmark: {summary(judgements)}", ""]
    changed = [each for each in judgements if each.regression or each.verdict is Verdict.FASTER]
    lines += [*_markdown_table(changed), ""] if changed else []
    lines += ["<details><summary>Everything that was compared</summary>", ""]
    lines += [*_markdown_table(_worth_showing(judgements)), ""]
    equal = sum(judgement.verdict is Verdict.EQUAL for judgement in judgements)
    lines += [f"{equal} deterministic metrics are equal. Intervals hold with 99 % confidence.", "", "</details>"]
    return "\n".join(lines) + "\n"


def as_json(judgements: Sequence[Judgement]) -> str:
    """Return everything that is known, unrounded; numbers that do not exist are null."""
    return json_text({"summary": summary(judgements), "judgements": [_plain(each) for each in judgements]})


def junit(judgements: Sequence[Judgement]) -> str:
    """Return JUnit XML: a suite a case, a case a quantity; what cannot be told is skipped, not passed."""
    root = ElementTree.Element("testsuites", name="benchmark")
    suites: dict[str, ElementTree.Element] = {}
    for judgement in judgements:
        name = printable(str(judgement.case))
        if name not in suites:
            suites[name] = ElementTree.SubElement(root, "testsuite", name=name)
        quantity = printable(judgement.quantity) or "comparison"
        case = ElementTree.SubElement(suites[name], "testcase", classname=name, name=quantity)
        message = " ".join(_cells(judgement)[2:]).strip()
        if judgement.regression:
            ElementTree.SubElement(case, "failure", message=printable(message), type=str(judgement.verdict))
        elif judgement.verdict in (Verdict.CANNOT_TELL, Verdict.INCOMPARABLE):
            ElementTree.SubElement(case, "skipped", message=printable(message))
    for element in (root, *suites.values()):
        for tag, attribute in (("testcase", "tests"), ("failure", "failures"), ("skipped", "skipped")):
            element.set(attribute, str(len(element.findall(f".//{tag}"))))
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def github_json(judgements: Sequence[Judgement]) -> str:
    """Return the "customSmallerIsBetter" list of github-action-benchmark: new's quantities that scatter."""
    entries = []
    for judgement in judgements:
        if judgement.evidence is not None and judgement.new is not None:
            entry = {"name": f"{judgement.case}: {judgement.quantity}", "unit": judgement.unit}
            error = judgement.new * judgement.evidence.scatter / math.sqrt(judgement.evidence.repeats)
            entries.append({**entry, "value": judgement.new, "range": f"± {error:.3g}"})
    return json_text(entries) + "\n"


def _worth_showing(judgements: Sequence[Judgement]) -> list[Judgement]:
    return [judgement for judgement in judgements if judgement.verdict is not Verdict.EQUAL]


def _cells(judgement: Judgement) -> list[str]:
    """Return the texts of a row, in the order of `HEADINGS`."""
    evidence = judgement.evidence
    interval = ""
    if evidence is not None and math.isfinite(evidence.low) and math.isfinite(evidence.high):
        interval = f"{math.expm1(evidence.low):+.1%} to {math.expm1(evidence.high):+.1%}"
    change = "" if judgement.change is None else f"{judgement.change:+.1%}"
    return [
        str(judgement.case),
        judgement.quantity,
        _number(judgement.base, judgement.unit),
        _number(judgement.new, judgement.unit),
        change,
        interval,
        f"{judgement.word} ({judgement.reason})" if judgement.reason else judgement.word,
    ]


def _number(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    exact = f"{value:,.0f}" if float(value).is_integer() and not unit else f"{value:,.4g}"
    return f"{exact} {unit}".strip()


def _markdown_table(judgements: Sequence[Judgement]) -> list[str]:
    rows = [[for_markdown(cell) for cell in _cells(judgement)] for judgement in judgements]
    return [f"| {' | '.join(row)} |" for row in (HEADINGS, ("---",) * len(HEADINGS), *rows)]


def _plain(judgement: Judgement) -> dict[str, Any]:
    evidence = judgement.evidence
    found = None
    if evidence is not None:
        found = {
            "low": _share(evidence.low),
            "high": _share(evidence.high),
            "p": evidence.p,
            "repeats": evidence.repeats,
            "paired": evidence.paired,
        }
    return {
        **judgement.case._asdict(),
        "quantity": judgement.quantity,
        "unit": judgement.unit,
        "base": judgement.base,
        "new": judgement.new,
        "change": judgement.change,
        "verdict": str(judgement.verdict),
        "regression": judgement.regression,
        "reason": judgement.reason,
        "evidence": found,
    }


def _share(logarithm: float) -> float | None:
    return math.expm1(logarithm) if math.isfinite(logarithm) else None
