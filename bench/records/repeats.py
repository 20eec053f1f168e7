"""All repeats of a case, taken together."""

import statistics
from collections.abc import Iterable
from dataclasses import dataclass

from bench.records.quantiles import percentile, spread
from bench.records.record import Case, Record
from bench.records.runs import latest_run, once


@dataclass(frozen=True)
class Repeats:
    """The repeats of one case that have samples, at least one.

    Attributes:
        records: In the order they were taken.
    """

    records: list[Record]

    @property
    def case(self) -> Case:
        """What was repeated."""
        return self.records[0].case

    @property
    def totals(self) -> list[float]:
        """Milliseconds of every run of every repeat."""
        return [total for record in self.records for total in record.totals]

    @property
    def median(self) -> float:
        """Median of the repeats' medians in milliseconds: no repeat counts more for having more runs."""
        return statistics.median(record.median for record in self.records)

    @property
    def spread(self) -> float:
        """Half the distance between the quartiles of all runs."""
        return spread(self.totals)

    def percentile(self, percent: float) -> float:
        """Milliseconds that so many percent of all runs do not exceed."""
        return percentile(self.totals, percent)

    @property
    def stages(self) -> dict[str, float]:
        """Median milliseconds by stage, over all runs."""
        names = self.records[0].samples
        return {
            name: statistics.median([ms for record in self.records for ms in record.samples[name]]) for name in names
        }

    @property
    def load_ms(self) -> float | None:
        """Median over the repeats."""
        return _median([record.load_ms for record in self.records])

    @property
    def first_ms(self) -> float | None:
        """Median over the repeats."""
        return _median([record.first_ms for record in self.records])

    @property
    def tokens_per_second(self) -> float | None:
        """Median over the repeats."""
        return _median([record.tokens_per_second for record in self.records])

    @property
    def memory_bytes(self) -> int | None:
        """Most that loading and running added to what was resident before, over the repeats."""
        told = [(item.memory.peak_bytes, item.memory.baseline_bytes) for item in self.records if item.memory]
        grown = [peak - baseline for peak, baseline in told if baseline is not None]
        return max(0, *grown) if grown else None  # a process may give back more than it takes

    @property
    def peak_bytes(self) -> int | None:
        """Most that was resident, over the repeats."""
        return max((item.memory.peak_bytes for item in self.records if item.memory), default=None)

    @property
    def matrix_share(self) -> float | None:
        """Multiply-adds a second over those of the machine's fp32 matrix products, measured in the same rounds."""
        return _median(
            [
                record.counts.macs / record.median / 1e6 / record.machine.gmac_per_s
                for record in self.records
                if record.counts and record.machine
            ]
        )

    @property
    def bandwidth_share(self) -> float | None:
        """Bytes of weights a second, were each read once a run, over what the machine reads: a lower bound."""
        return _median(
            [
                weight_bytes(record) / record.median / 1e6 / record.machine.gb_per_s
                for record in self.records
                if record.counts and record.machine
            ]
        )

    @property
    def disturbed(self) -> int:
        """How many repeats were disturbed."""
        return sum(bool(record.disturbed) for record in self.records)


def group(records: Iterable[Record]) -> list[Repeats]:
    """Return the repeats of each case, those of the latest run that has it.

    Args:
        records: Of one division, see `bench.records.conditions`; failed ones are left out.
    """
    found: dict[Case, list[Record]] = {}
    for record in once(records):
        if record.ok:
            found.setdefault(record.case, []).append(record)
    return [Repeats([each for each in kept if each.run == latest_run(kept)]) for kept in found.values()]


def weight_bytes(record: Record) -> int:
    """Return the size of the artifact, or of the parameters that PyTorch holds."""
    if record.artifact is not None:
        return record.artifact.bytes
    return 4 * record.counts.params if record.counts else 0


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None
