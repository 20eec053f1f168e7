"""Where models can be measured: one module for each kind of device."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from pkgutil import resolve_name
from types import MappingProxyType
from typing import Any, Protocol

from bench.records.record import Case, Record

THIS_MACHINE = "cpu"
DEVICES: Mapping[str, str] = MappingProxyType(
    {
        THIS_MACHINE: "bench.devices.cpu:ThisMachine",
        "android": "bench.devices.phone:AndroidPhone",
        "ios": "bench.devices.phone:IPhone",
        "ios-simulator": "bench.devices.phone:IPhoneSimulator",
        "hub": "bench.devices.hub:HostedPhones",
    }
)
"""By kind, "module:attribute" of a class that takes the plan and `minivlm.console.Steps`, and is a `Device`."""


@dataclass(frozen=True)
class Work:
    """What a run still has to measure.

    Attributes:
        folder: Of its records; a device may keep there what it needs to go on.
        run: Its id.
        tasks: Number of the round and case, in order.
    """

    folder: Path
    run: str
    tasks: Sequence[tuple[int, Case]]


class Device(Protocol):
    """Something that measures."""

    def cases(self) -> list[Case]:
        """Return what of the plan exists on this device, in order.

        Raises:
            UserError: Nothing does, or the device is not ready.
        """
        ...

    def cores(self) -> int | None:
        """Return how many cores the device has; None where it does not tell."""
        ...

    def prepare(self, work: Work) -> None:
        """Make what the cases need, before the first is measured. What fails here fails again in `measure`."""
        ...

    def measure(self, case: Case, run: str, number: int) -> Record:
        """Measure a case once, for the round of this number of a run; a failure is a record too."""
        ...

    def finish(self) -> None:
        """Put back what `prepare` changed, however the run ended."""
        ...


def device_class(kind: str) -> Any:
    """Return the class behind a key of `DEVICES`."""
    return resolve_name(DEVICES[kind])
