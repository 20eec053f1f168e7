"""Python packages of the emulated machine: arm64 wheels, downloaded by pip and unpacked without installing them."""

import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

from export.drivers.debian import run

GLIBC = ("2_17", "2_27", "2_28", "2_34")
"""Versions of the C library that wheels may be built for; Debian 12 has 2.36."""


def python_in(root: Path) -> Path:
    """Return the Python of a Debian system."""
    return sorted((root / "usr/bin").glob("python3.*"))[0]


def download_wheels(requirements: Sequence[str], folder: Path, root: Path, *, alone: bool = False) -> list[Path]:
    """Download arm64 wheels for a system's Python.

    Args:
        requirements: As pip reads them, such as "numpy==2.4.6".
        folder: For the wheels.
        root: Of the system.
        alone: Leave out what they need.

    Raises:
        UserError: There are none, or no network.
    """
    platforms = [part for glibc in GLIBC for part in ("--platform", f"manylinux_{glibc}_aarch64")]
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--dest", str(folder)]
    python = python_in(root).name.removeprefix("python")
    only = ["--only-binary", ":all:", "--python-version", python, *platforms, *(["--no-deps"] if alone else [])]
    run([*pip, *only, *requirements], "pip cannot download the runtimes' arm64 wheels")
    return sorted(folder.glob("*.whl"))


def unpack_wheels(wheels: Sequence[Path], packages: Path) -> None:
    """Unpack wheels into a folder that Python imports from, and remove them."""
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(packages)
        wheel.unlink()
