"""What a system tells of its Vulkan driver: whether it is a program on the CPU, and which one. Nothing is loaded."""

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from export.core.acceleration import DriverFacts
from export.drivers.vulkan import find_driver, installed_manifests, named_manifests, sees_gpu
from minivlm.errors import UserError
from minivlm.storage.json_files import read_object

SOFTWARE: Mapping[str, str] = MappingProxyType({"libvulkan_lvp": "llvmpipe", "libvk_swiftshader": "SwiftShader"})
"""By the beginning of its library's name, a driver that computes on the CPU."""
NVIDIA = Path("/sys/module/nvidia/version")
"""Where the kernel tells the version of NVIDIA's driver."""


@dataclass(frozen=True)
class Seen:
    """What a system shows of the driver that is taken.

    Attributes:
        libraries: Names of the libraries that the drivers' manifests name, those that can be read.
        named: Whether a variable names the drivers, so that no other is taken.
        gpu: Whether there is a GPU to be seen.
        nvidia: Version of NVIDIA's driver; empty where there is none.
    """

    libraries: Sequence[str]
    named: bool
    gpu: bool
    nvidia: str = ""


def judge(seen: Seen) -> DriverFacts:
    """Say what is known of a driver. It is software where all that may be taken is, or the system has no GPU at all."""
    software = [title for name in seen.libraries for start, title in SOFTWARE.items() if name.startswith(start)]
    others = [name for name in seen.libraries if not name.startswith(tuple(SOFTWARE))]
    if software and (not others or not (seen.gpu or seen.named)):
        return DriverFacts(software[0], software=True)
    if seen.nvidia and any("nvidia" in name.lower() for name in others):
        return DriverFacts(f"NVIDIA {seen.nvidia}")
    return DriverFacts(others[0] if len(others) == 1 else "")  # of several, the system takes the one that fits


def look() -> Seen:
    """Return what this system shows of the driver that LiteRT's GPU accelerator would take.

    Raises:
        UserError: There is no driver.
    """
    driver = find_driver()
    named = named_manifests(driver.environment) or named_manifests(os.environ)
    manifests = named or installed_manifests()
    try:
        nvidia = NVIDIA.read_text(encoding="utf-8").strip()
    except OSError:
        nvidia = ""
    return Seen(list(filter(None, map(_library, manifests))), bool(named), sees_gpu(), nvidia)


def driver_facts() -> DriverFacts:
    """Return what can be told of the driver that is there; nothing on systems that bring their own.

    Raises:
        UserError: There is none.
    """
    return judge(look()) if platform.system() == "Linux" else DriverFacts()


def _library(manifest: Path) -> str:
    """Return the name of the library that a driver's manifest names; "" where that cannot be read."""
    try:
        told = read_object(manifest, "a Vulkan driver's manifest", "name another").get("ICD")
    except UserError:
        return ""
    return Path(str(told.get("library_path", ""))).name if isinstance(told, dict) else ""
