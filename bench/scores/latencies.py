"""Latencies of what is scored, from records of bench/run.py."""

import statistics
from collections.abc import Iterable
from dataclasses import dataclass

from bench.records.record import Record
from bench.records.runtimes import PYTORCH
from export.verify.scores import Runner


@dataclass(frozen=True, kw_only=True)
class Latency:
    """How long one run takes.

    Attributes:
        ms: Median over the repeats of their medians, in milliseconds.
        timed: On which machine with how many threads.
    """

    ms: float
    timed: str


def latencies_of(records: Iterable[Record], reference: Runner) -> dict[str | None, Latency]:
    """Return a candidate's hash, None for the reference in PyTorch, -> its latency.

    Args:
        records: Of any models; failed ones are left out.
        reference: The model in PyTorch.
    """
    found: dict[str | None, list[Record]] = {}
    for record in records:
        if not record.ok:
            continue
        if record.artifact is not None:
            found.setdefault(record.artifact.sha256, []).append(record)
        elif _is_of(record, reference):
            found.setdefault(None, []).append(record)
    return {digest: _latency(repeats) for digest, repeats in found.items()}


def _is_of(record: Record, reference: Runner) -> bool:
    measured = record.runtime, record.model, record.weights
    return measured == (PYTORCH, reference.model, reference.origin.description)


def _latency(repeats: list[Record]) -> Latency:
    places = dict.fromkeys(map(_place, repeats))
    return Latency(ms=statistics.median(one.median for one in repeats), timed="; ".join(places))


def _place(record: Record) -> str:
    threads = record.threads_asked
    return f"{record.machine_name}, {threads} thread{'s' * (threads > 1)}"
