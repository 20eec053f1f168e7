"""What the emulated machine gets for ExecuTorch, with made-up wheels that hold what PyTorch's arm64 one asks for."""

from pathlib import Path

import pytest

from bench.emulation import pytorch
from bench.emulation.elf import Links, idle_library

VERSIONS = {"executorch": "1.4.1", "torch": "2.13.0+cpu"}
LINKS = {
    "libtorch_cuda.so": Links(
        ["libcudart.so.13", "libcublas.so.13", "libc10.so", "libc.so.6"], ["__cudaRegisterFatBinary"]
    ),
    "libtorch_python.so": Links(["libtorch_cuda.so", "libc.so.6"], ["PyLong_AsLong", "free", "c10_warn"]),
    "libc10.so": Links(["libc.so.6"], ["free"], ["c10_warn"]),
    "libc.so.6": Links([], [], ["free"]),
    "python3.11": Links(["libc.so.6"], [], ["PyLong_AsLong"]),
}
"""By file, a part of what those of PyTorch 2.13's arm64 wheel and of Debian 12 ask for and offer."""


@pytest.fixture
def asked(monkeypatch) -> list[str]:
    """What was downloaded; unpacking it gives the files that matter here."""
    found: list[str] = []

    def download(requirements, folder, root, *, alone=False) -> list[Path]:
        folder.mkdir(parents=True)
        found.extend([*requirements, *(["alone"] if alone else [])])
        return []

    def unpack(wheels, folder) -> None:
        (folder / "torch/lib").mkdir(parents=True)
        for name in ("libtorch_cuda.so", "libtorch_python.so", "libc10.so"):
            (folder / "torch/lib" / name).touch()

    monkeypatch.setattr(pytorch, "download_wheels", download)
    monkeypatch.setattr(pytorch, "unpack_wheels", unpack)
    monkeypatch.setattr(pytorch, "links_of", lambda path: LINKS[path.name])
    return found


@pytest.fixture
def root(tmp_path) -> Path:
    for name in ("lib/libc.so.6", "usr/bin/python3.11"):
        (tmp_path / "root" / name).parent.mkdir(parents=True)
        (tmp_path / "root" / name).touch()
    return tmp_path / "root"


def test_both_wheels_are_of_the_installed_versions_and_nothing_else_of_theirs_comes(asked, root, tmp_path):
    pytorch.add_executorch(VERSIONS, tmp_path / "made", root)
    assert asked == ["executorch==1.4.1", "torch==2.13.0", "typing_extensions", "alone"]
    assert sorted(path.name for path in (tmp_path / "made").iterdir()) == ["libraries", "packages"]


def test_in_the_place_of_libraries_for_gpus_are_idle_ones(asked, root, tmp_path):
    pytorch.add_executorch(VERSIONS, tmp_path / "made", root)
    libraries = {path.name: path.read_bytes() for path in (tmp_path / "made/libraries").iterdir()}
    named = idle_library(needed="libidle.so")
    assert libraries == {
        "libcudart.so.13": named,
        "libcublas.so.13": named,
        "libidle.so": idle_library(["__cudaRegisterFatBinary"]),
    }
