"""Tables inside a Markdown page, between marks that say what is shown and from which records."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from bench.records.conditions import divide
from bench.records.file import read
from bench.records.record import Record
from bench.records.repeats import Repeats, group
from bench.records.runtimes import PYTORCH, default_place
from bench.reporting.markdown import TITLES, table_lines
from bench.reporting.retention import retention_of_all, retention_of_first
from bench.reporting.score_tables import page_table
from bench.reporting.sensitivity import sensitivity_tables
from minivlm.errors import UserError

MARK = re.compile(r"<!-- (?P<table>\S+) from (?P<records>\S+) -->\n(?P<shown>.*?)<!-- end -->", re.DOTALL)
"""Such as `<!-- networks from records/side-by-side.jsonl -->`; the path is seen from the page's folder."""

FP32 = "fp32"
VERIFICATION = "verification"
"""A column of words."""


def render(text: str, folder: Path) -> str:
    """Return a page whose marked tables are those of its records.

    Args:
        text: The page in Markdown.
        folder: Folder of the page.

    Raises:
        UserError: A mark names an unknown table, its records cannot be read, or they are not of one setting.
    """
    return MARK.sub(lambda mark: _renewed(mark, folder), text)


def _renewed(mark: re.Match[str], folder: Path) -> str:
    name, path = mark["table"], folder / mark["records"]
    if name not in TABLES:
        raise UserError(f"no table is called {name!r}: take one of {', '.join(TABLES)}")
    lines = "\n".join(TABLES[name](path))
    return f"<!-- {name} from {mark['records']} -->\n{lines}\n<!-- end -->"


def _networks(path: Path) -> list[str]:
    """Return what each model without captions takes, how much of the machine it uses, and how exact it is."""
    repeats = [each for each in _of_one_setting(read(path), path) if each.records[0].tokens is None]
    return table_lines(
        [
            {
                "": _label(each),
                "ms": _time(each),
                "MB": _megabytes(each),
                "share of fp32 bytes": _share_of_fp32(each, repeats),
                "% of the fp32 matrix rate": "" if each.matrix_share is None else f"{100.0 * each.matrix_share:.0f}",
                VERIFICATION: _verification(each),
            }
            for each in repeats
        ],
        words=("", VERIFICATION),
    )


def _side_by_side(path: Path) -> list[str]:
    """Return what each model takes in each precision, a column for each runtime."""
    repeats = _of_one_setting(read(path), path)
    runtimes = dict.fromkeys(each.case.runtime for each in repeats)
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for each in repeats:
        rows.setdefault((each.case.model, each.case.precision), {})[each.case.runtime] = _time(each)
    return table_lines(
        [
            {"ms": f"`{model}` {precision}"} | {TITLES.get(name, name): times.get(name, "") for name in runtimes}
            for (model, precision), times in rows.items()
        ],
        words=("ms",),
    )


def _captions(path: Path) -> list[str]:
    """Return what a caption takes, and the median of each of its stages."""
    repeats = [each for each in _of_one_setting(read(path), path) if each.records[0].tokens is not None]
    stages = dict.fromkeys(stage for each in repeats for stage in each.stages)
    return table_lines(
        [
            {"": _label(each), "ms": _time(each)}
            | {stage: f"{each.stages[stage]:.1f}" if stage in each.stages else "" for stage in stages}
            | {"MB": _megabytes(each)}
            for each in repeats
        ]
    )


def _facts(path: Path) -> list[str]:
    """Return under what all of it was measured, a point each."""
    records = read(path)
    rounds = sorted(len(each.records) for each in _of_one_setting(records, path))
    several = f"{rounds[0]}" if rounds[0] == rounds[-1] else f"{rounds[0]} to {rounds[-1]}"
    first = records[0]
    threads = ", ".join(map(str, sorted({record.threads_asked for record in records})))
    disturbed = sum(bool(record.disturbed) for record in records)
    failed = sum(not record.ok for record in records)
    turns = sorted({record.turns for record in records if record.ok and record.turns > 1})
    order = f", {' or '.join(map(str, turns))} of them at once and by turns" if turns else ""
    return [
        f"- {first.environment.get('cpu')}, {first.environment.get('cores')} cores; threads: {threads}; weights: "
        f"{first.weights}; profile {first.profile}.",
        f"- From {min(record.time for record in records)[:10]}: {len(records)} repeats in fresh processes, {several} "
        f"of each{order}; {failed} failed, {disturbed} disturbed by other work on the machine.",
        "- Medians of the repeats' medians ± half the interquartile range of all runs.",
    ]


SAID: Mapping[str, str] = MappingProxyType(
    {
        "median feature SQNR dB": "features {:.0f} dB",
        "proposals found at IoU 0.9": "proposals {:.2f}",
        "regions matched at IoU 0.9": "regions {:.2f}",
        "caption_logits SQNR dB": "logits {:.0f} dB",
    }
)
"""What a page says of a verification, by the metric's name without its method's."""


TABLES: Mapping[str, Callable[[Path], list[str]]] = MappingProxyType(
    {
        "networks": _networks,
        "side-by-side": _side_by_side,
        "captions": _captions,
        "facts": _facts,
        "retention": retention_of_first,
        "retention-everywhere": retention_of_all,
        "scores": page_table,
        "sensitivity": sensitivity_tables,
    }
)
"""Name -> what makes a table's lines of a file, or a folder, of records."""


def _of_one_setting(records: Sequence[Record], path: Path) -> list[Repeats]:
    """Return the repeats of each case.

    Raises:
        UserError: Nothing was measured, or times of several settings would stand side by side.
    """
    parts = divide(records)
    if len(parts) != 1:
        labels = "; ".join(part.label for part in parts) or "none is without failure"
        raise UserError(f"{path} must hold what was measured in one setting, not {len(parts)} ({labels}): keep one run")
    return group(parts[0].records)


def _label(each: Repeats) -> str:
    key = each.case
    runtime = TITLES.get(key.runtime, key.runtime)
    place = "" if key.accelerator == default_place(key.runtime) else f" on {key.accelerator}"
    return f"`{key.model}` {runtime}" + ("" if key.runtime == PYTORCH else f" {key.precision}{place}")


def _time(each: Repeats) -> str:
    return f"{each.median:.1f} ± {each.spread:.1f}"


def _megabytes(each: Repeats) -> str:
    artifact = each.records[0].artifact
    return f"{artifact.bytes / 1e6:.1f}" if artifact else ""


def _share_of_fp32(each: Repeats, others: Sequence[Repeats]) -> str:
    """Return the artifact's bytes over those of the same model for the same runtime in fp32."""
    sought = each.case._replace(precision=FP32)
    whole = next((other.records[0].artifact for other in others if other.case == sought), None)
    part = each.records[0].artifact
    return f"{100.0 * part.bytes / whole.bytes:.0f} %" if part and whole and part is not whole else ""


def _verification(each: Repeats) -> str:
    """Return what matters most of the artifact's verification; the records have every metric."""
    artifact = each.records[0].artifact
    found = {} if artifact is None else {name.partition(" ")[2]: value for name, value in artifact.parity.items()}
    return ", ".join(text.format(found[name]) for name, text in SAID.items() if name in found)
