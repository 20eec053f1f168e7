"""What went on beside a measurement, so that a disturbed one says so."""

import os
import resource
import time
from dataclasses import dataclass

import psutil

from bench.machine.container import container
from bench.machine.environment import current_frequency

OTHERS = 0.05
"""Share of all the machine's cores that other processes may keep busy."""
STOLEN = 0.01
"""Share of the time that a hypervisor may take away."""
SWITCHES = 50.0
"""Involuntary context switches a second and thread; an idle machine makes a few."""
FREQUENCY_DROP = 0.05
"""Share by which the clock may fall."""


@dataclass(frozen=True)
class Snapshot:
    """Counters of machine and process at one moment.

    Attributes:
        clock: Seconds.
        busy: CPU seconds of the whole machine that were not idle.
        stolen: CPU seconds that a hypervisor took.
        own: CPU seconds of the processes that measure.
        switches: Involuntary context switches of theirs.
        throttled: Seconds for which the container was held back; None where the system does not tell.
        frequency: Of the CPU in MHz; None where the system does not tell.
    """

    clock: float
    busy: float
    stolen: float
    own: float
    switches: int
    throttled: float | None
    frequency: float | None


def snapshot(measuring: int = resource.RUSAGE_SELF) -> Snapshot:
    """Take one.

    Args:
        measuring: Who measures: this process, or `resource.RUSAGE_CHILDREN`, its children that have ended.
    """
    times = psutil.cpu_times()
    usage = resource.getrusage(measuring)
    waiting = getattr(times, "iowait", 0.0)
    stolen = getattr(times, "steal", 0.0)
    guests = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)  # contained in user and nice
    return Snapshot(
        clock=time.perf_counter(),
        busy=sum(times) - times.idle - waiting - stolen - guests,
        stolen=stolen,
        own=usage.ru_utime + usage.ru_stime,
        switches=usage.ru_nivcsw,
        throttled=container().throttled_seconds,
        frequency=current_frequency(),
    )


def interference_between(before: Snapshot, after: Snapshot) -> list[str]:
    """Say what the machine did beside what was measured between two snapshots.

    Args:
        before: At the start, when the CPU was warm.
        after: At the end.
    """
    seconds = _seconds(before, after)
    machine = os.cpu_count() or 1
    found = []
    others = (after.busy - before.busy - (after.own - before.own)) / seconds
    if others > OTHERS * machine:
        found.append(f"other processes kept {others:.1f} of {machine} cores busy")
    stolen = (after.stolen - before.stolen) / seconds / machine
    if stolen > STOLEN:
        found.append(f"the hypervisor took {stolen:.0%} of the time")
    if before.throttled is not None and after.throttled is not None and after.throttled > before.throttled:
        found.append(f"the container was throttled for {after.throttled - before.throttled:.1f} s of {seconds:.1f} s")
    if before.frequency and after.frequency and after.frequency < before.frequency * (1.0 - FREQUENCY_DROP):
        found.append(f"the clock fell from {before.frequency:.0f} to {after.frequency:.0f} MHz")
    return found


def switches_between(before: Snapshot, after: Snapshot, threads: int, cores: int) -> list[str]:
    """Say whether what was measured between two snapshots was pushed off its cores.

    Args:
        before: At the start.
        after: At the end.
        threads: That were used. More than there are cores push each other off; then context switches say nothing.
        cores: That the process may use.
    """
    switches = (after.switches - before.switches) / _seconds(before, after)
    pushed = threads <= cores and switches > SWITCHES * threads
    return [f"{switches:.0f} involuntary context switches a second"] if pushed else []


def _seconds(before: Snapshot, after: Snapshot) -> float:
    return max(after.clock - before.clock, 1e-9)
