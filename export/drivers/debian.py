"""Debian packages beside the system: downloaded into a state of their own and unpacked, without root and traces."""

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from minivlm.errors import UserError


@dataclass(frozen=True)
class Apt:
    """apt with a state of its own, in which nothing is installed.

    Attributes:
        state: Folder for its lists and downloads, which is made.
        architecture: Whose packages it takes.
        sources: File with the places that packages come from; None takes the system's.
    """

    state: Path
    architecture: str
    sources: Path | None = None

    def _options(self) -> list[str]:
        """Make the state, and return what makes apt use it."""
        for name in ("state/lists/partial", "cache/archives/partial"):
            (self.state / name).mkdir(parents=True, exist_ok=True)
        (self.state / "state/status").touch()
        options = {
            "APT::Architecture": self.architecture,
            "APT::Architectures": self.architecture,
            "Dir::State": self.state / "state",
            "Dir::State::status": self.state / "state/status",
            "Dir::Cache": self.state / "cache",
            "Debug::NoLocking": "1",  # only root may lock
        }
        if self.sources is not None:
            options |= {"Dir::Etc::sourcelist": self.sources.resolve(), "Dir::Etc::sourceparts": "-"}
        return [part for name, value in options.items() for part in ("-o", f"{name}={value}")]

    def sites(self, origin: str) -> list[tuple[str, str]]:
        """Return the (address, code name) of every release that the lists have of a distributor's main packages."""
        fields = "$(ORIGIN) $(COMPONENT) $(SITE) $(CODENAME)"
        told = run(
            ["apt-get", *self._options(), "indextargets", "--format", fields, "Identifier: Packages"],
            "apt cannot tell where packages come from",
        )
        found = [line.split() for line in told.splitlines()]
        return list(dict.fromkeys((line[2], line[3]) for line in found if line[:2] == [origin, "main"]))

    def update(self) -> None:
        """Read the lists of packages.

        Raises:
            UserError: They cannot be read.
        """
        run(["apt-get", *self._options(), "update"], "apt cannot read package lists")

    def download_with_all_needed(self, names: Sequence[str], complaint: str, release: str | None = None) -> list[Path]:
        """Download packages and all that they need, in a system in which nothing is there yet.

        Args:
            names: Of the packages.
            complaint: Begins the message where that fails.
            release: That is preferred to others; None leaves apt's choice.

        Raises:
            UserError: apt does not find them.
        """
        preferred = [] if release is None else ["--target-release", release]
        install = ["--yes", "--download-only", "--no-install-recommends", *preferred, "install", *names]
        run(["apt-get", *self._options(), *install], complaint)
        return sorted((self.state / "cache/archives").glob("*.deb"))

    def download(self, name: str, complaint: str) -> list[Path]:
        """Download one package alone.

        Raises:
            UserError: apt does not find it; the message begins with `complaint`.
        """
        run(["apt-get", *self._options(), "download", name], complaint, self.state)
        return list(self.state.glob("*.deb"))


def missing_tools() -> list[str]:
    """Return which of the programs that this needs are not installed."""
    return [tool for tool in ("apt-get", "dpkg-deb") if shutil.which(tool) is None]


def native_architecture() -> str:
    """Return this system's architecture as Debian calls it."""
    asked = ["dpkg", "--print-architecture"]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()


def unpack(packages: Sequence[Path], folder: Path) -> None:
    """Unpack Debian packages without installing them."""
    for package in packages:
        run(["dpkg-deb", "--extract", str(package), str(folder)], f"{package.name} cannot be unpacked")


def run(command: Sequence[str], complaint: str, folder: Path | None = None) -> str:
    """Run a program that sets something up, and return what it wrote.

    Raises:
        UserError: It failed; `complaint`, and the last line it wrote.
    """
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    if done.returncode != 0:
        said = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        raise UserError(f"{complaint}: {said[-1] if said else f'exit code {done.returncode}'}")
    return done.stdout
