"""Shared libraries, held against PyTorch's own and against this machine's loader."""

import ctypes
import platform
from pathlib import Path

import pytest
import torch

from bench.emulation.elf import Links, idle_library, links_of

PROCESSORS = {"x86_64": 62, "aarch64": 183}
"""ELF's numbers, EM_X86_64 and EM_AARCH64."""
RETURN_ZERO = {"x86_64": bytes.fromhex("31c0 c3"), "aarch64": bytes.fromhex("000080d2 c0035fd6")}
"""xor eax, eax; ret, and mov x0, 0; ret."""
pytestmark = pytest.mark.skipif(
    platform.system() != "Linux" or platform.machine() not in PROCESSORS, reason="other libraries"
)


def idle(*functions: str, needed: str = "") -> bytes:
    """Return an idle library for this machine."""
    here = platform.machine()
    return idle_library(functions, needed, PROCESSORS[here], RETURN_ZERO[here])


def test_what_a_library_needs_wants_and_offers_is_read_from_it():
    libraries = Path(torch.__file__).with_name("lib")
    assert "libtorch_cpu.so" in links_of(libraries / "libtorch.so").needed
    bindings, core = links_of(libraries / "libtorch_python.so"), links_of(libraries / "libc10.so")
    assert {"libc10.so", "libc.so.6", "libstdc++.so.6"} <= set(bindings.needed)
    name = "_ZN3c106detail14torchCheckFailEPKcS2_jS2_"  # c10::detail::torchCheckFail, with which every check fails
    assert name in core.offered
    assert name in bindings.wanted


def test_what_is_no_library_has_no_links(tmp_path):
    (tmp_path / "notes.so").write_text("INPUT(-lc)")  # a linker script, as some systems have under such names
    (tmp_path / "empty.so").touch()
    assert links_of(tmp_path / "notes.so") == links_of(tmp_path / "empty.so") == Links()


def test_every_function_of_an_idle_library_is_found_and_returns_zero(tmp_path):
    names = [f"cublas{number}" for number in range(100)]  # more than the loader's lists have room for by chance
    path = tmp_path / "libidle.so"
    path.write_bytes(idle(*names))
    library = ctypes.CDLL(str(path))
    assert [getattr(library, name)(1, 2) for name in names] == [0] * 100
    with pytest.raises(AttributeError):
        library.cudnn  # noqa: B018  # looking it up is what fails


def test_an_empty_one_brings_another_along(tmp_path, monkeypatch):
    (tmp_path / "libidle.so").write_bytes(idle("cudaSetDevice"))
    (tmp_path / "libcudart.so.13").write_bytes(idle(needed=str(tmp_path / "libidle.so")))
    assert ctypes.CDLL(str(tmp_path / "libcudart.so.13")).cudaSetDevice(0) == 0
