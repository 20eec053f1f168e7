"""Setting up the emulated machine: an arm64 Python with runtimes in a cache folder, without root and without traces.

apt resolves and downloads Debian's arm64 packages into a state of its own, so that the system's package lists and
architectures stay as they are; pip downloads the runtimes' arm64 wheels in the versions that are installed here. All
of it is unpacked into one folder, and QEMU's user mode runs its programs.
"""

import json
import platform
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from minivlm.console import Steps
from minivlm.errors import UserError
from minivlm.storage.files import assembling, write_text

DEBIAN_PACKAGES = ("python3-minimal", "libpython3-stdlib", "libstdc++6", "libgomp1")
WHEELS = ("numpy", "onnxruntime", "ai-edge-litert")
GLIBC = ("2_17", "2_27", "2_28", "2_34")
"""Versions of the C library that wheels may be built for; Debian 12 has 2.36."""
CORES = 2
FEATURES = "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp"
"""Of a Cortex-A76, the core that QEMU is told to be. The runtimes choose their kernels by this line, and crash where
the machine has none to offer."""
CPU = "cortex-a76"
MADE = "made.json"


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
        python = sorted((self._root / "usr/bin").glob("python3.*"))[0]
        emulator = [str(emulator_in(self.folder)), "-L", str(self._root), "-cpu", CPU]
        places = ["-E", f"PYTHONPATH={self.folder / 'packages'}", "-E", "PYTHONHOME=/usr"]
        return [*emulator, *places, str(python), "-s", str(script), *arguments]


def emulator_in(folder: Path) -> Path:
    """Return the emulator: the system's if it has one, else the folder's."""
    found = shutil.which("qemu-aarch64-static") or shutil.which("qemu-aarch64")
    return Path(found) if found else folder / "emulator/usr/bin/qemu-aarch64-static"


def ready_machine(folder: Path, steps: Steps) -> Machine:
    """Return the machine in a folder, set up now if it is not there or holds other versions.

    Raises:
        UserError: It cannot be set up here; the message says what is missing.
    """
    wanted = {name: version(name) for name in WHEELS}
    made = folder / MADE
    if made.is_file() and json.loads(made.read_text(encoding="utf-8")) == wanted:
        return Machine(folder, wanted)
    check_host()
    with assembling(folder) as partial:
        partial.mkdir()
        with steps.step("download an arm64 system (16 MB)"):
            packages = download_system(partial / "apt")
        with steps.step("unpack it"):
            unpack(packages, partial / "root")
            _describe_processor(partial / "root")
        if not emulator_in(partial).is_file():
            with steps.step("download the emulator (60 MB)"):
                unpack(_download_emulator(partial / "apt"), partial / "emulator")
                _drop_other_emulators(emulator_in(partial))
        with steps.step("download the runtimes (50 MB)"):
            download_wheels(wanted, partial)
        shutil.rmtree(partial / "apt")
        write_text(partial / MADE, json.dumps(wanted))
    return Machine(folder, wanted)


def check_host() -> None:
    """Refuse a system on which the machine cannot be set up.

    Raises:
        UserError: It has no apt, or is an ARM machine itself.
    """
    if platform.machine() in ("aarch64", "arm64"):
        raise UserError("this machine is arm64 itself, nothing needs emulating: measure with python bench/run.py")
    missing = [tool for tool in ("apt-get", "dpkg-deb") if shutil.which(tool) is None]
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
    apt = ["apt-get", *_private(state, "arm64")]
    run([*apt, "update"], "apt cannot read package lists")
    run(
        [*apt, "--yes", "--download-only", "--no-install-recommends", "install", *DEBIAN_PACKAGES],
        "apt finds no arm64 packages (Ubuntu keeps them in its ports archive: add that to apt's sources)",
    )
    return sorted((state / "cache/archives").glob("*.deb"))


def _private(state: Path, architecture: str) -> list[str]:
    """Return the options that give apt a state of its own, in which nothing is installed."""
    for name in ("state/lists/partial", "cache/archives/partial"):
        (state / name).mkdir(parents=True, exist_ok=True)
    (state / "state/status").touch()
    options = {
        "APT::Architecture": architecture,
        "APT::Architectures": architecture,
        "Dir::State": state / "state",
        "Dir::State::status": state / "state/status",
        "Dir::Cache": state / "cache",
        "Debug::NoLocking": "1",  # only root may lock
    }
    return [part for name, value in options.items() for part in ("-o", f"{name}={value}")]


def _download_emulator(state: Path) -> list[Path]:
    folder = state / "emulator"
    folder.mkdir(parents=True)
    native = subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=True).stdout.strip()
    apt = ["apt-get", *_private(folder, native)]
    run([*apt, "update"], "apt cannot read package lists")
    run([*apt, "download", "qemu-user-static"], "apt finds no qemu-user-static: install it", folder)
    return list(folder.glob("*.deb"))


def _drop_other_emulators(kept: Path) -> None:
    """Remove what the package has for other processors, 400 MB."""
    for program in kept.parent.iterdir():
        if program != kept:
            program.unlink()


def unpack(packages: Sequence[Path], folder: Path) -> None:
    """Unpack Debian packages without installing them."""
    for package in packages:
        run(["dpkg-deb", "--extract", str(package), str(folder)], f"{package.name} cannot be unpacked")


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


def download_wheels(versions: Mapping[str, str], folder: Path) -> None:
    """Download the runtimes' arm64 wheels, with what they need, and unpack them."""
    python = sorted((folder / "root/usr/bin").glob("python3.*"))[0].name.removeprefix("python")
    platforms = [part for glibc in GLIBC for part in ("--platform", f"manylinux_{glibc}_aarch64")]
    names = [f"{name}=={number}" for name, number in versions.items()]
    wheels = folder / "apt/wheels"
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--dest", str(wheels)]
    only = ["--only-binary", ":all:", "--python-version", python, *platforms]
    run([*pip, *only, *names], "pip cannot download the runtimes' arm64 wheels")
    for wheel in wheels.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder / "packages")


def run(command: Sequence[str], complaint: str, folder: Path | None = None) -> None:
    """Run a program that sets something up.

    Raises:
        UserError: It failed; `complaint`, and the last line it wrote.
    """
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    if done.returncode != 0:
        said = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        raise UserError(f"{complaint}: {said[-1] if said else f'exit code {done.returncode}'}")
