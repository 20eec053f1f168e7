"""Which iPhone: out of everything that devicectl lists, watches, simulators and phones of years ago among it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from minivlm.errors import UserError


@dataclass(frozen=True)
class AppleDevice:
    """One device of the list.

    Attributes:
        identifier: CoreDevice's own, which its commands take.
        udid: Of the hardware: what Xcode and Finder show.
        name: As its owner gave it.
        platform: "iOS" for iPhones and iPads.
        simulated: Xcode 27 lists simulators, too.
        tunnel: "connected", "disconnected" (it is made when it is needed) or "unavailable".
        paired: Whether it trusts this Mac.
        wired: Whether it is connected by a cable.
        developer: Whether its developer mode is on; None where that is not told.
        product: Apple's name of the machine, such as "iPhone16,1".
        system: Such as "iOS 18.1".
    """

    identifier: str
    udid: str
    name: str
    platform: str
    simulated: bool
    tunnel: str
    paired: bool
    wired: bool
    developer: bool | None
    product: str
    system: str

    def __str__(self) -> str:
        return f"{self.udid} ({self.name})"

    def goes_by(self, text: str) -> bool:
        """Tell whether somebody may have meant this one."""
        return text.casefold() in {name.casefold() for name in (self.identifier, self.udid, self.name)}


def read_devices(listed: Iterable[Any]) -> list[AppleDevice]:
    """Read the list of `devicectl list devices`, in the form of Xcode 15 to 26, and in that of 27 or both."""
    return [device for device in map(_read, listed) if device.identifier]


def choose(devices: Sequence[AppleDevice], wanted: str | None) -> AppleDevice:
    """Return the phone that was asked for, or the only one.

    Args:
        devices: All that are listed.
        wanted: Identifier, UDID or name; None takes the only one.

    Raises:
        UserError: There is none, there are several, or it is not ready; naming what can be done.
    """
    phones = [device for device in devices if device.platform == "iOS" and not device.simulated]
    there = [phone for phone in phones if phone.tunnel != "unavailable" or (phone.wired and not phone.paired)]
    if wanted is not None:
        return _ready(_named(devices, phones, there, wanted))
    if not there:
        paired = f" ({', '.join(map(str, phones))} was here once)" if phones else ""
        raise UserError(
            f"devicectl sees no iPhone{paired}: connect one by cable, unlock it, trust this Mac, and switch its "
            "developer mode on"
        )
    if len(there) > 1:
        raise UserError(f"devicectl sees {len(there)} iPhones: name one with --udid, of {_shown(there)}")
    return _ready(there[0])


def _named(
    devices: Sequence[AppleDevice], phones: Sequence[AppleDevice], there: Sequence[AppleDevice], wanted: str
) -> AppleDevice:
    found = [device for device in devices if device.goes_by(wanted)]
    if not found:
        seen = f"it sees {_shown(there)}" if there else "it sees none: connect it by cable and unlock it"
        raise UserError(f"devicectl sees no iPhone {wanted}: {seen}")
    if len(found) > 1:
        raise UserError(f"--udid {wanted} could be {_shown(found)}: give the identifier instead of the name")
    (device,) = found
    if device.simulated:
        raise UserError(f"{device} is a simulator: use --device ios-simulator")
    if device not in phones:
        raise UserError(f"{device} is no iPhone (it runs {device.platform}): name one with --udid")
    if device not in there:
        raise UserError(f"{device} cannot be reached: connect it by cable, unlock it, and trust this Mac")
    return device


def _ready(phone: AppleDevice) -> AppleDevice:
    if not phone.paired:
        raise UserError(f"{phone} does not trust this Mac yet: unlock it and tap Trust")
    if phone.developer is False:
        raise UserError(
            f"{phone} has its developer mode off: switch it on under Settings, Privacy & Security, Developer Mode"
        )
    return phone


def _shown(devices: Iterable[AppleDevice]) -> str:
    return ", ".join(map(str, devices))


def _read(one: Any) -> AppleDevice:
    properties = _part(one, "properties")  # since Xcode 27; the other three are deprecated there
    hardware = {**_part(one, "hardwareProperties"), **_part(properties, "hardware")}
    connection = {**_part(one, "connectionProperties"), **_part(properties, "connection")}
    state = {**_part(one, "deviceProperties"), **_part(properties, "state")}
    identifier = str(one.get("identifier", "")) if isinstance(one, dict) else ""
    version = {**state, **_part(properties, "software")}.get("osVersionNumber")
    version = version.get("stringValue") if isinstance(version, dict) else version
    mode = state.get("developerModeStatus")
    mode = next(iter(mode), None) if isinstance(mode, dict) else mode
    return AppleDevice(
        identifier=identifier,
        udid=str(hardware.get("udid") or identifier),
        name=str(state.get("name", "")),
        platform=str(hardware.get("platform", "")),
        simulated=hardware.get("reality") == "simulated",
        tunnel=str(connection.get("state") or connection.get("tunnelState") or ""),
        paired=connection.get("pairingState", "paired") == "paired",
        wired=connection.get("transportType") == "wired",
        developer=None if mode is None else mode == "enabled",
        product=str(hardware.get("productType", "")),
        system=f"iOS {version}" if version else "",
    )


def _part(value: Any, name: str) -> Mapping[str, Any]:
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}
