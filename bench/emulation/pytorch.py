"""ExecuTorch in the emulated machine: its arm64 wheel, and PyTorch's, which its Python runtime hands tensors over in.

The arm64 wheel of PyTorch is one for GPUs and asks for NVIDIA's libraries, some gigabytes of them. Nothing is computed
on a GPU here, so in the place of each of them is a library whose functions do nothing: PyTorch registers its kernels
there while it loads, and calls none.
"""

from collections.abc import Mapping
from pathlib import Path

from bench.emulation.elf import idle_library, links_of
from bench.emulation.wheels import download_wheels, python_in, unpack_wheels

PACKAGES = ("executorch", "torch")
HELPERS = ("typing_extensions",)
"""Of all that those two ask for, what importing the runtime imports; NumPy is there."""
IDLE = "libidle.so"
"""Has all the functions. A library that is asked for by name has to have versions of them, another one has not."""


def add_executorch(versions: Mapping[str, str], folder: Path, root: Path) -> None:
    """Download what ExecuTorch's Python runtime needs, and make it loadable.

    Args:
        versions: Of `PACKAGES`.
        folder: Gets packages/ to import from and libraries/ for the loader.
        root: Of the Debian system.

    Raises:
        UserError: Something cannot be downloaded.
    """
    packages = folder / "packages"
    wanted = [f"{name}=={versions[name].partition('+')[0]}" for name in PACKAGES]  # "2.13.0+cpu" is no arm64 wheel's
    unpack_wheels(download_wheels([*wanted, *HELPERS], folder / "wheels", root, alone=True), packages)
    (folder / "wheels").rmdir()
    write_idle_libraries(packages / "torch", root, folder / "libraries")


def write_idle_libraries(torch: Path, root: Path, libraries: Path) -> None:
    """Write what PyTorch's libraries ask for and nobody has.

    Args:
        torch: The package.
        root: Of the Debian system, whose libraries and Python they find.
        libraries: Folder to make.
    """
    own = {path.name: links_of(path) for path in torch.rglob("*.so*")}
    others = {path.name: links_of(path) for path in [python_in(root), *root.rglob("*.so*")] if path.is_file()}
    there = [*own.values(), *others.values()]
    missing = {name for links in own.values() for name in links.needed} - {*own, *others}
    functions = {name for links in own.values() for name in links.wanted} - {
        name for one in there for name in one.offered
    }
    libraries.mkdir()
    (libraries / IDLE).write_bytes(idle_library(sorted(functions)))
    for name in missing:
        (libraries / name).write_bytes(idle_library(needed=IDLE))
