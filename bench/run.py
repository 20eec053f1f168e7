"""Measure models on this machine, beside the paper's figures.

    python bench/run.py --device cpu --threads 4
    python bench/run.py --device cpu --threads 2 --models tee-0,minilm --runtimes executorch --image PHOTO

Each model and runtime runs in a process of its own. Every measurement is added to records.jsonl the moment it exists,
so an interrupted run loses nothing. Artifacts that are missing are exported first.
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from bench import latency, records
from bench.cells import wide_console
from bench.environment import available_cores
from bench.records import Record
from bench.timing import PROFILES
from bench.worker import Request
from bench.workloads import is_device_model
from export.arguments import ExportRequest, check_writable
from export.exporting import export_model
from export.formats import FORMATS, artifact_path
from minivlm.console import Steps
from minivlm.errors import UserError, closest, run_command
from minivlm.photos import default_photo, load_photo
from minivlm.registry import build, get_config

RUNTIMES = ("pytorch", "executorch")
DEFAULT_MODELS = (*latency.VISION[:1], "grid-r50", "grid-x101", "r101-f", *latency.TRANSFORMERS)


@dataclass(frozen=True)
class Plan:
    """A checked command line."""

    threads: int
    models: list[str]
    runtimes: list[str]
    photo: Path
    profile: str
    output: Path
    artifacts: Path


def parse_plan(argv: Sequence[str] | None) -> Plan:
    """Parse and check the command line.

    Raises:
        UserError: Anything that could not be measured.
    """
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", help="cpu: this machine (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=4, help="of each runtime (default: %(default)s, the paper's)")
    parser.add_argument("--models", default=",".join(DEFAULT_MODELS), metavar="A,B", help="default: %(default)s")
    parser.add_argument("--runtimes", default=",".join(RUNTIMES), metavar="A,B", help="default: %(default)s")
    parser.add_argument("--image", type=Path, metavar="PHOTO", help="default: a photo that comes with scikit-learn")
    parser.add_argument("--profile", default="normal", help=f"{' | '.join(PROFILES)} (default: %(default)s)")
    parser.add_argument("--output", type=Path, default=Path("results"), metavar="DIR", help="default: %(default)s")
    parser.add_argument("--artifacts", type=Path, default=Path("artifacts"), metavar="DIR", help="default: %(default)s")
    arguments = parser.parse_args(argv)
    _check_name("device", arguments.device, ["cpu"])
    _check_name("profile", arguments.profile, list(PROFILES))
    if arguments.threads < 1:
        raise UserError(f"--threads {arguments.threads}: give at least 1; this machine has {available_cores()} cores")
    models = _split("--models", arguments.models)
    for model in models:
        get_config(model)
    runtimes = _split("--runtimes", arguments.runtimes)
    for runtime in runtimes:
        _check_name("runtime", runtime, list(RUNTIMES))
    photo = arguments.image or default_photo()
    load_photo(photo)
    check_writable(arguments.output)
    return Plan(arguments.threads, models, runtimes, photo, arguments.profile, arguments.output, arguments.artifacts)


def _split(flag: str, text: str) -> list[str]:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts:
        raise UserError(f"{flag} {text!r}: give at least one name")
    return parts


def _check_name(kind: str, given: str, known: list[str]) -> None:
    if given not in known:
        raise UserError(f"unknown {kind} {given!r}: {closest(given, known)}")


def combinations(plan: Plan) -> list[tuple[str, str]]:
    """Return the (model, runtime) pairs that exist: baselines have no artifact.

    Raises:
        UserError: None is left.
    """
    with torch.device("meta"):
        on_devices = {model for model in plan.models if is_device_model(build(get_config(model)))}
    pairs = [
        (model, runtime)
        for model in plan.models
        for runtime in plan.runtimes
        if runtime == "pytorch" or model in on_devices
    ]
    if not pairs:
        raise UserError(f"nothing to measure: {', '.join(plan.models)} run in PyTorch only; add pytorch to --runtimes")
    return pairs


def ensure_artifact(model: str, runtime: str, plan: Plan, steps: Steps) -> Path:
    """Return a model's artifact, exported now if it is not there."""
    path = artifact_path(plan.artifacts, model, FORMATS[runtime], "fp32")
    if not path.is_file():
        steps.say(f"{path} is not there yet; exporting it")
        check_writable(plan.artifacts)
        export_model(ExportRequest(runtime, model, "fp32", None, None, plan.artifacts, plan.photo), Steps())
    return path


def measure(request: Request) -> Record:
    """Run one measurement in a process of its own.

    Raises:
        UserError: The process failed; the message has its last line.
    """
    done = subprocess.run(
        [sys.executable, "-m", "bench.worker"], input=request.to_json(), capture_output=True, text=True, check=False
    )
    lines = (done.stdout if done.returncode == 0 else done.stderr).strip().splitlines()
    last = lines[-1] if lines else f"exit code {done.returncode}"
    if done.returncode != 0:
        raise UserError(f"measuring {request.model} on {request.runtime} failed: {last.removeprefix('error: ')}")
    return Record.from_json(last)


def run(plan: Plan, steps: Steps) -> list[Record]:
    """Measure everything in the plan; returns what was measured, in order."""
    path = plan.output / "records.jsonl"
    measured = []
    pairs = combinations(plan)
    for number, (model, runtime) in enumerate(pairs, start=1):
        artifact = None if runtime == "pytorch" else ensure_artifact(model, runtime, plan, steps)
        request = Request(
            model=model,
            runtime=runtime,
            precision="fp32",
            threads=plan.threads,
            photo=str(plan.photo),
            profile=plan.profile,
            artifact=str(artifact) if artifact else None,
        )
        with steps.step(f"[{number}/{len(pairs)}] {model}, {runtime}"):
            record = measure(request)
        records.append(path, record)
        measured.append(record)
    return measured


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    plan = parse_plan(argv)
    steps = Steps()
    cores = available_cores()
    if plan.threads > cores:
        steps.say(f"{plan.threads} threads on {cores} cores: more threads than cores make times longer and noisier")
    steps.say(f"Measuring on {cores} cores, profile {plan.profile}, photo {plan.photo.name}")
    measured = run(plan, steps)
    console = wide_console()
    for table in latency.latency_tables(measured):
        table.show(console)
    print(f"{len(measured)} records added to {plan.output / 'records.jsonl'}")


if __name__ == "__main__":
    run_command(main)
