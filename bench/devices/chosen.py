"""This machine, with artifacts that were made beforehand."""

from collections.abc import Collection
from pathlib import Path

from bench.devices import Work
from bench.devices.cpu import ThisMachine
from bench.measure.plan import Plan
from bench.records.record import Case
from minivlm.console import Steps


class ChosenHere(ThisMachine):
    """Implements `bench.devices.Device`: PyTorch and some artifacts of a plan; none is exported.

    Args:
        plan: Whose cases are measured.
        steps: Shows what is done.
        artifacts: Those that are measured, of the plan's folder.
    """

    def __init__(self, plan: Plan, steps: Steps, artifacts: Collection[Path]) -> None:
        super().__init__(plan, steps)
        self._chosen = {None, *artifacts}

    def cases(self) -> list[Case]:
        """See `Device`."""
        return [case for case in super().cases() if self._artifacts.path(case) in self._chosen]

    def prepare(self, work: Work) -> None:
        """See `Device`; there is nothing to make."""
        self._left = work.tasks
