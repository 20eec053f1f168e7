"""Tables, pictures and CSV of what was measured, from the records alone.

    python bench/report.py results
    python bench/report.py results/records.jsonl --output report

RECORDS is a file of records or a folder with a records.jsonl. Writes tables.md, report.html (one file, no network
needed) and records.csv, beside the records or to --output. Scores are shown, too, where the folder of
the records, or one in it, has a scores.jsonl.
"""

import csv
import io
import statistics
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from bench.compare import record_file
from bench.records.conditions import divide, machine
from bench.records.file import read
from bench.records.media import for_markdown, for_sheet
from bench.records.record import Record
from bench.records.repeats import group
from bench.records.runs import once
from bench.records.scores import ScoreRecord, scores_below
from bench.reporting.cells import Table
from bench.reporting.computers import computer_tables
from bench.reporting.cost_tables import count_all
from bench.reporting.paper_tables import device_statuses, measured_tables
from bench.reporting.phone_plots import phone_pictures
from bench.reporting.phones import of_machines, phone_tables
from bench.reporting.plots import pictures
from bench.reporting.score_plots import score_pictures
from bench.reporting.score_tables import accuracy_tables, score_table
from minivlm.command_line import path_argument, script_parser
from minivlm.console import Steps
from minivlm.errors import printable, run_command
from minivlm.storage.files import check_outputs, write_text

REPORT = ("tables.md", "report.html", "records.csv")
"""Names of the files that are written."""


def markdown(tables: Sequence[Table], records: Sequence[Record]) -> str:
    """Return all tables as Markdown, devices and failures first."""
    lines = ["# Measurements", "", *(f"- {for_markdown(fact)}" for fact in facts(records)), ""]
    lines += [*(f"- {status}" for status in device_statuses(records)), ""]
    failures = [record for record in records if record.error]
    if failures:
        lines += ["## What failed", ""]
        lines += [f"- {for_markdown(_failure(record))}" for record in failures]
        lines.append("")
    for table in tables:
        lines += [f"## {for_markdown(table.title)}", "", *markdown_table(table), "", for_markdown(table.note), ""]
    return "\n".join(lines)


def markdown_table(table: Table) -> list[str]:
    """Return a table's lines; a heading is a column with its part, such as "MACs (G) paper"."""
    headings = ["", *(for_markdown(f"{column} {part}") for column, part in table.headings())]
    rows = [headings, ["---", *["---:"] * (len(headings) - 1)]]
    rows += [[for_markdown(text) for text in (label, *texts)] for label, texts in table.texts()]
    return [f"| {' | '.join(row)} |" for row in rows]


def facts(records: Sequence[Record]) -> list[str]:
    """Return what must be known about all records, a line each."""
    machines = dict.fromkeys(_machine(record) for record in records)
    runs = dict.fromkeys(record.run for record in records)
    weights = dict.fromkeys(record.weights for record in records if record.weights)
    disturbed = sum(bool(record.disturbed) for record in records)
    failed = sum(not record.ok for record in records)
    times = sorted((record.taken, record.time) for record in records)
    return [
        f"Machine: {'; '.join(machines)}",
        f"Measured from {times[0][1]} to {times[-1][1]}, {len(records)} repeats, "
        f"{failed} failed, {disturbed} disturbed",
        f"Runs: {', '.join(runs)}" + "; of each case the latest is shown" * (len(runs) > 1),
        f"Weights: {'; '.join(weights) or 'none'}",
    ]


def _machine(record: Record) -> str:
    """Describe a machine, with everything that tells it from others."""
    told = [f"{name} {value}" for name, value in machine(record) if name not in ("phone", "cpu") and value != "null"]
    return ", ".join([record.machine_name, *told])


def _failure(record: Record) -> str:
    return f"{record.case}, round {record.round + 1}: {_reason(record)}"


def _reason(record: Record) -> str:
    return record.error.reason if record.error else ""


def as_csv(records: Sequence[Record]) -> str:
    """Return a row a repeat: medians and percentiles in milliseconds, bytes, counts."""
    stages = list(dict.fromkeys(stage for record in records for stage in record.samples))
    text = io.StringIO()
    columns = [
        "run",
        "round",
        "status",
        "device",
        "phone",
        "accelerator",
        "model",
        "method",
        "runtime",
        "precision",
        "threads_asked",
        "threads",
        "turns",
        "time",
    ]
    measured = ["runs", "median_ms", "p90_ms", "p99_ms", "load_ms", "first_ms", *(f"{stage} ms" for stage in stages)]
    about = [
        "tokens_per_second",
        "peak_bytes",
        "baseline_bytes",
        "planned_bytes",
        "params",
        "macs",
        "artifact_bytes",
        "adapter",
    ]
    writer = csv.DictWriter(
        text, [*columns, *measured, *about, "gmac_per_s", "gb_per_s", "disturbed", "reason"], lineterminator="\n"
    )
    writer.writerow({name: for_sheet(name) for name in writer.fieldnames})
    for record in records:
        row = {name: getattr(record, name) for name in columns}
        row |= {"load_ms": record.load_ms, "first_ms": record.first_ms, "tokens_per_second": record.tokens_per_second}
        if record.ok:
            row |= {"runs": len(record.totals), "median_ms": record.median}
            row |= {"p90_ms": record.percentile(90.0), "p99_ms": record.percentile(99.0)}
        row |= {f"{stage} ms": statistics.median(samples) for stage, samples in record.samples.items()}
        for part in (record.memory, record.counts, record.machine):
            row |= vars(part) if part else {}
        row["artifact_bytes"] = record.artifact.bytes if record.artifact else None
        row["adapter"] = record.accelerated.adapter if record.accelerated else None
        row |= {"disturbed": "; ".join(record.disturbed), "reason": _reason(record)}
        writer.writerow({name: for_sheet(value) for name, value in row.items()})
    return text.getvalue()


def html(tables: Sequence[Table], records: Sequence[Record], scores: Sequence[ScoreRecord] = ()) -> str:
    """Return the report as one page that needs nothing else."""
    templates = Environment(
        loader=PackageLoader("bench.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        finalize=lambda value: printable(value) if type(value) is str else value,
    )  # names and error messages come from outside: all is escaped but our own pictures
    return templates.get_template("report.html.j2").render(
        facts=facts(records),
        devices=device_statuses(records),
        failures=[record for record in records if record.error],
        pictures={
            part.titled(title): picture
            for part in divide(of_machines(records))
            for title, picture in pictures({repeats.case: repeats for repeats in group(part.records)}).items()
        }
        | phone_pictures(records)
        | score_pictures(scores),
        tables=tables,
    )


def write_report(records: Sequence[Record], folder: Path, scores: Sequence[ScoreRecord] | None = None) -> list[Path]:
    """Write tables.md, report.html and records.csv of latencies and scores into a folder; returns where they are.

    Args:
        records: Of latencies.
        folder: May be new.
        scores: By default those that lie in the folder, or in a folder in it.

    Raises:
        UserError: The folder cannot be written.
    """
    records, scores = once(records), scores_below(folder) if scores is None else scores
    tables = [*measured_tables(count_all(), records), *computer_tables(records), *phone_tables(records)]
    tables += [*([table] if (table := score_table(scores)) else []), *(accuracy_tables(scores) if scores else [])]
    texts = (markdown(tables, records), html(tables, records, scores), as_csv(records))
    for name, text in zip(REPORT, texts, strict=True):
        write_text(folder / name, text)
    return [folder / name for name in REPORT]


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = script_parser(__doc__)
    parser.add_argument(
        "records", type=path_argument, metavar="RECORDS", help="file of records, or folder that holds one"
    )
    parser.add_argument("--output", type=path_argument, metavar="DIR", help="default: where the records are")
    arguments = parser.parse_args(argv)
    given = record_file(arguments.records)
    folder = arguments.output or given.parent
    check_outputs((folder / name for name in REPORT), [given])
    records, scores = read(given), scores_below(given.parent)
    with Steps().step("write the report"):
        written = write_report(records, folder, scores)
    for path in written:
        print(f"wrote {path}")


if __name__ == "__main__":
    run_command(main)
