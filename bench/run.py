"""Measure models on this machine, beside the paper's values.

    python bench/run.py --device cpu --threads 4
    python bench/run.py --models tee-0,minilm --runtimes executorch --precision fp32,int8 --photo PHOTO
    python bench/run.py --models minivlm --threads 1,2,4          # scaling, and the setting to take
    python bench/run.py --checkpoint DIR --precision fp32,int8    # trained weights, on every runtime
    python bench/run.py --models tee-0 --sustained 10             # latency over ten minutes
    python bench/run.py --models tee-0 --order turns --precision fp32,int8  # ratios that a moody machine leaves alone
    python bench/run.py --runtimes litert --accelerator cpu,gpu   # LiteRT beside itself on this machine's GPU
    python bench/run.py --runtimes coreml --compute-units all,cpu  # on a Mac
    python bench/run.py --device hub --phone "Samsung Galaxy S24"  # a phone that Qualcomm AI Hub hosts
    python bench/run.py --resume                                  # what an interrupted run has not measured

Each repeat of each model, runtime, precision and number of threads runs in a process of its own, all of them once a
round: one after another, or loaded together and by turns (--order turns). Every measurement is added to records.jsonl
the moment it exists, so an interrupted run loses nothing. Artifacts that are missing, or are of other weights or
another image size, are exported first under names of their own.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from bench.devices import Device, device_class
from bench.records.record import Record
from bench.report import write_report
from bench.reporting.cells import wide_console
from bench.reporting.computers import computer_tables
from bench.reporting.phones import KINDS, phone_tables
from bench.session.checks import check_plan
from bench.session.flags import given, make_parser, plan_of
from bench.session.session import Session, alone_in
from minivlm.console import Steps
from minivlm.errors import printable, run_command


def session_of(argv: Sequence[str] | None) -> Session:
    """Return the run that a command line asks for: a new one, or an earlier one to be continued.

    Raises:
        UserError: The flags do not go together, or with the run, or there is no such run.
    """
    parser = make_parser(__doc__ or "")
    parser.add_argument("--resume", action="store_true", help="continue the last run of the output folder")
    flags = parser.parse_args(argv)
    session = Session.last(flags.output) if flags.resume else Session.new(flags.output, plan_of(flags))
    if flags.resume:
        stated = given(parser, argv)
        for name in ("resume", "output"):  # they say which run, not how
            stated.pop(name, None)
        if stated:
            session.check_given(plan_of(flags), stated)
    return session


def show(records: Sequence[Record], folder: Path, steps: Steps) -> None:
    """Print what was measured, write the report, and say where everything is."""
    console = wide_console()
    phones = phone_tables(records) if any(record.device in KINDS for record in records) else []
    for table in [*computer_tables(records), *phones]:
        table.show(console)
    failed = [record for record in records if not record.ok]
    for record in failed:
        assert record.error is not None
        print(f"failed: {record.case}, round {record.round + 1}: {printable(record.error.reason)}")
    print(f"{len(records) - len(failed)} measurements, {len(failed)} failed, in {folder / 'records.jsonl'}")
    with steps.step("write the report"):
        written = write_report(records, folder)
    print(f"{', '.join(path.name for path in written)} beside it")


def measure(session: Session, steps: Steps) -> list[Record]:
    """Measure a run to its end, report it, and return its records."""
    check_plan(session.plan, session.folder)
    plan = session.plan
    with alone_in(session.folder):
        session.begin()
        device: Device = device_class(plan.device)(plan, steps)
        cores = device.cores()
        for threads in plan.threads:
            if cores is not None and threads > cores:
                steps.say(f"{threads} threads on {cores} cores: more threads than cores make times longer and noisier")
        steps.say(f"Run {session.run}: {cores or 'unknown'} cores, profile {plan.profile}, photo {plan.photo.name}")
        steps.say(f"weights: {plan.origin.description}")
        session.measure(device, plan.repeats, steps)
        records = session.records()
    show(records, session.folder, steps)
    return records


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line; exit code 1 says that a measurement failed."""
    if not all(record.ok for record in measure(session_of(argv), Steps())):
        sys.exit(1)


if __name__ == "__main__":
    run_command(main)
