"""What an accelerator had of a measurement: which one it is, and which part of the work is its own."""

from collections.abc import Mapping
from dataclasses import field

from pydantic.dataclasses import dataclass

from bench.records.values import STRICT, Number, Share


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Accelerated:
    """A measured artifact on an accelerator, by its own account.

    Attributes:
        adapter: The device, as its driver calls it; empty where the runtime does not tell.
        driver: Of the device, with its version; empty where the system does not tell.
        computed: In what it was told to compute, such as "fp16"; empty where it computes in what is stored.
        pieces: By method, how many pieces of the graph it runs, each in one go.
        macs: By method, the share of the multiply-adds in them.
        planned: By method and processor ("cpu", "gpu" or "ne"), how many operators the runtime prefers to run there;
            empty where it does not tell.
    """

    adapter: str = ""
    driver: str = ""
    computed: str = ""
    pieces: Mapping[str, Number] = field(default_factory=dict)
    macs: Mapping[str, Share] = field(default_factory=dict)
    planned: Mapping[str, Mapping[str, Number]] = field(default_factory=dict)

    @property
    def shares(self) -> dict[str, float]:
        """Share of the planned operators by processor, over all methods."""
        sums: dict[str, int] = {}
        for counts in self.planned.values():
            for name, count in counts.items():
                sums[name] = sums.get(name, 0) + count
        whole = sum(sums.values())
        return {name: count / whole for name, count in sums.items()} if whole else {}
