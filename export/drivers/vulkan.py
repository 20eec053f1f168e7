"""The Vulkan driver that LiteRT's GPU accelerator works on: a GPU's own, or a software one in a cache folder.

Mesa's llvmpipe computes what a GPU computes, fp16 included, on the CPU: artifacts can be proven by it, and its times
mean nothing. It has to be Mesa 25 or so: LiteRT finds no adapter in the 22.3 of Debian 12, whose backports have 25.0.
SwiftShader will not do: it has no fp16, and LiteRT takes fp32 instead without a word.
"""

import ctypes
import ctypes.util
import json
import os
import platform
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from export.drivers.debian import Apt, missing_tools, native_architecture, run, unpack
from minivlm.console import Steps
from minivlm.errors import UserError
from minivlm.storage.files import assembling, write_text
from minivlm.storage.json_files import read_object

CACHE = Path(".cache/minivlm/vulkan")
"""Of the software driver, in the user's home."""
SETUP = "python export/gpu_driver.py"
LOADER = "libvulkan.so.1"
MADE = "made.json"
MANIFEST = "driver.json"
KERNELS = "kernels"
PACKAGES = ("mesa-vulkan-drivers", "libvulkan1")
LEAST_MESA = 25
SYSTEM_LIBRARIES = ("libc6", "libstdc++6", "libgcc-s1", "gcc-")
"""Beginnings of packages that are left out: a process has these libraries before any driver is loaded."""
NAMING = ("VK_DRIVER_FILES", "VK_ICD_FILENAMES")
"""Variables that name drivers, the second to loaders before 1.3.207."""
MANIFESTS = ("/etc/vulkan/icd.d", "/usr/local/share/vulkan/icd.d", "/usr/share/vulkan/icd.d")
DEVICES = ("dri/render*", "nvidia[0-9]*")
"""In /dev, what a GPU is seen as."""


@dataclass(frozen=True)
class Driver:
    """A driver that is there.

    Attributes:
        libraries: To be loaded before anything asks for the driver, in this order; none where the system finds them.
        environment: Variables that it needs.
    """

    libraries: Sequence[Path] = ()
    environment: Mapping[str, str] = field(default_factory=dict)

    def use(self) -> None:
        """Make this process use the driver; whatever loads Vulkan afterwards finds it.

        Raises:
            UserError: A library cannot be loaded.
        """
        os.environ.update(self.environment)
        try:
            for library in self.libraries:
                ctypes.CDLL(str(library))
        except OSError as error:
            remedy = f"set it up again with {SETUP} --again"
            raise UserError(f"the Vulkan driver cannot be loaded ({error}): {remedy}") from None


def cache_folder() -> Path:
    """Return where the software driver is set up."""
    return Path.home() / CACHE


def find_driver() -> Driver:
    """Return the driver that variables name, else that of a GPU, else the software one, else whatever the system has.

    Raises:
        UserError: There is none.
    """
    if platform.system() != "Linux":
        return Driver()  # the system brings it
    loader = ctypes.util.find_library("vulkan") is not None
    named = bool(named_manifests(os.environ))
    installed = named or bool(installed_manifests())
    if loader and (named or (installed and sees_gpu())):
        return Driver()
    cached = read_cached(cache_folder())
    if cached is not None:
        # Of a driver that is named, the loader is all that may be missing, and it needs nothing else.
        return Driver(cached.libraries[-1:]) if named else cached
    if loader and installed:
        return Driver()
    raise UserError(
        f"LiteRT's GPU accelerator needs a Vulkan driver, and there is none: {SETUP} sets up one in software"
    )


def named_manifests(environment: Mapping[str, str]) -> list[Path]:
    """Return the manifests of drivers that variables name, as a loader takes them."""
    given = next((environment[name] for name in NAMING if environment.get(name)), "")
    return [Path(part) for part in given.split(os.pathsep) if part]


def installed_manifests() -> list[Path]:
    """Return the manifests of the system's drivers."""
    folders = [Path(folder) for folder in MANIFESTS if Path(folder).is_dir()]
    return [manifest for folder in folders for manifest in sorted(folder.glob("*.json"))]


def sees_gpu() -> bool:
    """Tell whether the system shows a GPU."""
    return any(any(Path("/dev").glob(pattern)) for pattern in DEVICES)


def read_cached(folder: Path) -> Driver | None:
    """Return the software driver of a folder; None where none was set up.

    Raises:
        UserError: What says how to load it is damaged.
    """
    if not (folder / MADE).is_file():
        return None
    remedy = f"set it up again with {SETUP} --again"
    names = read_object(folder / MADE, "what a software driver was set up as", remedy).get("libraries")
    if not isinstance(names, list):
        raise UserError(f"{folder / MADE} names no libraries: {remedy}")
    manifest = str(folder / MANIFEST)
    environment = dict.fromkeys(NAMING, manifest) | {
        "MESA_SHADER_CACHE_DIR": str(folder / KERNELS),  # compiling a detector's kernels takes a minute
        "GALLIVM_PERF": "nopt",  # and three with optimisation
    }
    return Driver([folder / str(name) for name in names], environment)


def set_up(folder: Path, steps: Steps) -> str:
    """Set up the software driver in a folder, and return its version.

    Raises:
        UserError: It cannot be set up here; the message says what is missing.
    """
    missing = missing_tools()
    if platform.system() != "Linux" or missing:
        raise UserError(
            "the software Vulkan driver is made of Debian packages, and this system has no "
            f"{' and no '.join(missing) or 'Linux'}: install Mesa's Vulkan drivers, {LEAST_MESA} or later"
        )
    with assembling(folder) as partial:
        partial.mkdir()
        with steps.step("download Mesa's software driver (60 MB)"):
            packages = download(partial / "apt")
        version = mesa_version(packages)
        with steps.step("unpack it"):
            unpack([one for one in packages if not one.name.startswith(SYSTEM_LIBRARIES)], partial / "root")
            shutil.rmtree(partial / "apt")
            driver = next((partial / "root").rglob("libvulkan_lvp.so"))
            libraries = needed([driver, next((partial / "root").rglob(LOADER))], partial / "root")
            link = {"library_path": f"./{driver.relative_to(partial)}", "api_version": "1.4.0"}
            (partial / KERNELS).mkdir()
            write_text(partial / MANIFEST, json.dumps({"file_format_version": "1.0.0", "ICD": link}))
            names = [str(library.relative_to(partial)) for library in libraries]
            write_text(partial / MADE, json.dumps({"mesa": version, "libraries": names}))
    return version


def download(state: Path) -> list[Path]:
    """Download Mesa's drivers with all that they need, from the backports of Debian's release where it has them.

    Args:
        state: Folder for apt's lists and downloads.
    """
    complaint = "apt finds no Mesa for Vulkan"
    apt = Apt(state, native_architecture())
    apt.update()
    debian = apt.sites("Debian")
    if not debian:
        return apt.download_with_all_needed(PACKAGES, complaint)
    site, release = debian[0]
    sources = state / "sources.list"
    write_text(sources, "".join(f"deb {site} {name} main\n" for name in (release, f"{release}-backports")))
    later = Apt(state / "backports", apt.architecture, sources)
    later.update()
    return later.download_with_all_needed(PACKAGES, complaint, release=f"{release}-backports")


def mesa_version(packages: Sequence[Path]) -> str:
    """Return the version of Mesa among packages.

    Raises:
        UserError: It is too old.
    """
    version = next(one.name.split("_")[1] for one in packages if one.name.startswith("mesa-vulkan-drivers_"))
    number = re.match(r"(?:\d+%3a)?(\d+)", version)
    if number is None or int(number[1]) < LEAST_MESA:
        raise UserError(
            f"this system's packages have Mesa {version}, and LiteRT's GPU accelerator needs {LEAST_MESA}: take "
            "Debian 12 with backports, or later"
        )
    return version


def needed(libraries: Sequence[Path], root: Path) -> list[Path]:
    """Return libraries with all that they need of an unpacked folder, each after those that it needs."""
    folders = sorted({str(library.parent) for library in root.rglob("*.so.*")})
    found: dict[Path, None] = {}

    def add(library: Path) -> None:
        if library in found:
            return
        told = run(
            ["env", f"LD_LIBRARY_PATH={':'.join(folders)}", "ldd", str(library)], f"{library.name} cannot be read"
        )
        for place in re.findall(r"=> (\S+)", told):
            if place.startswith(str(root)) and Path(place) != library:
                add(Path(place))
        found[library] = None

    for library in libraries:
        add(library)
    return list(found)
