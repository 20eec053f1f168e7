"""Setting up the emulated machine: an arm64 Python with runtimes in a cache folder, without root and without traces.

apt resolves and downloads Debian's arm64 packages into a state of its own, so that the system's package lists and
architectures stay as they are; pip downloads the runtimes' arm64 wheels in the versions that are installed here. All
of it is unpacked into one folder, and QEMU's user mode runs its programs. ExecuTorch comes when it is first asked for.
"""

import json
import platform
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from bench.emulation import pytorch
from bench.emulation.wheels import download_wheels, python_in, unpack_wheels
from export.drivers.debian import Apt, missing_tools, native_architecture, unpack
from minivlm.console import Steps
from minivlm.errors import UserError
from minivlm.storage.files import assembling, write_text

DEBIAN_PACKAGES = ("python3-minimal", "libpython3-stdlib", "libstdc++6", "libgomp1")
WHEELS = ("numpy", "onnxruntime", "ai-edge-litert")
CORES = 2
FEATURES = "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp"
"""Of a Cortex-A76, the core that QEMU is told to be. The runtimes choose their kernels by this line, and crash where
the machine has none to offer."""
CPU = "cortex-a76"
MADE = "made.json"
EXECUTORCH = "executorch"
"""The folder of what only ExecuTorch needs."""


@dataclass(frozen=True)
class Machine:
    """A machine that is ready.

    Attributes:
        folder: Holds everything.
        versions: Of what was installed, by package.
    """

    folder: Path
    versions: Mapping[str, str]

    @property
    def _root(self) -> Path:
        return self.folder / "root"

    def command(self, script: Path, *arguments: str) -> list[str]:
        """Return what runs a Python script in the machine."""
        emulator = [str(emulator_in(self.folder)), "-L", str(self._root), "-cpu", CPU]
        more = self.folder / EXECUTORCH
        places = {
            "PYTHONPATH": f"{self.folder / 'packages'}:{more / 'packages'}",
            "PYTHONHOME": "/usr",
            "LD_LIBRARY_PATH": str(more / "libraries"),
        }
        told = [part for name, value in places.items() for part in ("-E", f"{name}={value}")]
        return [*emulator, *told, str(python_in(self._root)), "-s", str(script), *arguments]


def emulator_in(folder: Path) -> Path:
    """Return the emulator: the system's if it has one, else the folder's."""
    found = shutil.which("qemu-aarch64-static") or shutil.which("qemu-aarch64")
    return Path(found) if found else folder / "emulator/usr/bin/qemu-aarch64-static"


def ready_machine(folder: Path, steps: Steps, *, with_executorch: bool = False) -> Machine:
    """Return the machine in a folder, set up now if it is not there or holds other versions.

    Args:
        folder: Of the machine.
        steps: Show what is done.
        with_executorch: Set up what ExecuTorch needs, too.

    Raises:
        UserError: It cannot be set up here; the message says what is missing.
    """
    wanted = {name: version(name) for name in WHEELS}
    if not _holds(folder, wanted):
        check_host()
        with assembling(folder) as partial:
            _set_up(partial, wanted, steps)
    if not with_executorch:
        return Machine(folder, wanted)
    more = {name: version(name) for name in pytorch.PACKAGES}
    if not _holds(folder / EXECUTORCH, more):
        with assembling(folder / EXECUTORCH) as partial, steps.step("download ExecuTorch and PyTorch (445 MB)"):
            pytorch.add_executorch(more, partial, folder / "root")
            write_text(partial / MADE, json.dumps(more))
    return Machine(folder, wanted | more)


def _holds(folder: Path, wanted: Mapping[str, str]) -> bool:
    """Tell whether a folder was made of these versions."""
    made = folder / MADE
    return made.is_file() and json.loads(made.read_text(encoding="utf-8")) == wanted


def _set_up(folder: Path, wanted: Mapping[str, str], steps: Steps) -> None:
    """Make a machine in a new folder."""
    folder.mkdir()
    with steps.step("download an arm64 system (16 MB)"):
        packages = download_system(folder / "apt")
    with steps.step("unpack it"):
        unpack(packages, folder / "root")
        _describe_processor(folder / "root")
    if not emulator_in(folder).is_file():
        with steps.step("download the emulator (60 MB)"):
            unpack(_download_emulator(folder / "apt"), folder / "emulator")
            _drop_other_emulators(emulator_in(folder))
    with steps.step("download the runtimes (50 MB)"):
        exact = [f"{name}=={number}" for name, number in wanted.items()]
        unpack_wheels(download_wheels(exact, folder / "apt/wheels", folder / "root"), folder / "packages")
    shutil.rmtree(folder / "apt")
    write_text(folder / MADE, json.dumps(wanted))


def check_host() -> None:
    """Refuse a system on which the machine cannot be set up.

    Raises:
        UserError: It has no apt, or is an ARM machine itself.
    """
    if platform.machine() in ("aarch64", "arm64"):
        raise UserError("this machine is arm64 itself, nothing needs emulating: measure with python bench/run.py")
    missing = missing_tools()
    if platform.system() != "Linux" or missing:
        raise UserError(
            f"the emulated arm64 machine is made of Debian packages, and this system has no "
            f"{' and no '.join(missing) or 'Linux'}: run it on Debian or Ubuntu"
        )


def download_system(state: Path) -> list[Path]:
    """Download Debian's arm64 packages and all they need.

    Args:
        state: Folder for apt's lists and downloads.
    """
    apt = Apt(state, "arm64")
    apt.update()
    return apt.download_with_all_needed(
        DEBIAN_PACKAGES,
        "apt finds no arm64 packages (Ubuntu keeps them in its ports archive: add that to apt's sources)",
    )


def _download_emulator(state: Path) -> list[Path]:
    apt = Apt(state / "emulator", native_architecture())
    apt.update()
    return apt.download("qemu-user-static", "apt finds no qemu-user-static: install it")


def _drop_other_emulators(kept: Path) -> None:
    """Remove what the package has for other processors, 400 MB."""
    for program in kept.parent.iterdir():
        if program != kept:
            program.unlink()


def _describe_processor(root: Path) -> None:
    """Write what an ARM kernel would say in /proc/cpuinfo."""
    lines = {
        "BogoMIPS": "48.00",
        "Features": FEATURES,
        "CPU implementer": "0x41",
        "CPU architecture": "8",
        "CPU variant": "0x1",
        "CPU part": "0xd0b",
        "CPU revision": "0",
    }
    cores = [{"processor": str(number), **lines} for number in range(CORES)]
    text = "\n".join("".join(f"{name}\t: {value}\n" for name, value in core.items()) for core in cores)
    (root / "proc").mkdir(exist_ok=True)
    (root / "proc/cpuinfo").write_text(text, encoding="utf-8")
