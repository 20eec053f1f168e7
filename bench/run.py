"""Measure models on this machine, beside the paper's figures.

    python bench/run.py --device cpu --threads 4
    python bench/run.py --models tee-0,minilm --runtimes executorch --precision fp32,int8 --image PHOTO
    python bench/run.py --models minivlm --threads 1,2,4          # scaling, and the setting to take
    python bench/run.py --checkpoint DIR --precision fp32,int8    # trained weights, on every runtime
    python bench/run.py --models tee-0 --sustained 10             # latency over ten minutes
    python bench/run.py --resume                                  # what an interrupted run has not measured

Each repeat of each model, runtime, precision and number of threads runs in a process of its own, all of them once a
round. Every measurement is added to records.jsonl the moment it exists, so an interrupted run loses nothing. Artifacts
that are missing, or are of other weights or another image size, are exported first under names of their own.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.devices import Device, device_class
from bench.machine.environment import available_cores
from bench.measure.plan import check_stored, make_parser, make_plan
from bench.measure.session import PLAN, Session, alone_in
from bench.records.record import Record
from bench.report import write_report
from bench.reporting.cells import wide_console
from bench.reporting.latency import latency_tables
from bench.reporting.sweeps import sweep_tables
from minivlm.console import Steps
from minivlm.errors import printable, run_command


def parse(argv: Sequence[str] | None) -> tuple[dict[str, Any], dict[str, Any], bool]:
    """Return all flags by name, those that were given, and whether an earlier run is to be continued."""
    parser = make_parser(__doc__ or "")
    parser.add_argument("--resume", action="store_true", help="continue the last run of the output folder")
    flags = vars(parser.parse_args(argv))
    parser.set_defaults(**dict.fromkeys(flags))
    given = {name: value for name, value in vars(parser.parse_args(argv)).items() if value is not None}
    for name in ("resume", "output"):  # they say which run, not how
        given.pop(name, None)
    return flags, given, flags.pop("resume")


def show(records: Sequence[Record], folder: Path, steps: Steps) -> None:
    """Print what was measured, write the report, and say where everything is."""
    console = wide_console()
    for table in [*latency_tables(records), *sweep_tables(records)]:
        table.show(console)
    failed = [record for record in records if not record.ok]
    for record in failed:
        assert record.error is not None
        print(f"failed: {record.combination}, round {record.round + 1}: {printable(record.error.reason)}")
    print(f"{len(records) - len(failed)} measurements, {len(failed)} failed, in {folder / 'records.jsonl'}")
    with steps.step("write the report"):
        written = write_report(records, folder)
    print(f"{', '.join(path.name for path in written)} beside it")


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line; exit code 1 says that a measurement failed."""
    flags, given, resume = parse(argv)
    folder = Path(flags["output"])
    session = Session.last(folder, given) if resume else Session.new(folder, flags)
    check_stored(session.flags, folder / PLAN)
    plan = make_plan({**session.flags, "output": flags["output"]})
    session = session.with_weights(plan.origin.description)
    steps = Steps()
    with alone_in(folder):
        session.begin()
        cores = available_cores()
        for threads in plan.threads:
            if threads > cores:
                steps.say(f"{threads} threads on {cores} cores: more threads than cores make times longer and noisier")
        device: Device = device_class(plan.device)(plan, steps)
        steps.say(f"Run {session.run}: {cores} cores, profile {plan.profile}, photo {plan.photo.name}")
        steps.say(f"weights: {plan.origin.description}")
        session.measure(device, plan.repeats, steps)
        records = session.records()
    show(records, folder, steps)
    if not all(record.ok for record in records):
        sys.exit(1)


if __name__ == "__main__":
    run_command(main)
