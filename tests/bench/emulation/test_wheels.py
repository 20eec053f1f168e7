"""Wheels of the emulated machine, with a pip that writes one instead of downloading it."""

import zipfile
from pathlib import Path

import pytest

from bench.emulation import wheels
from bench.emulation.wheels import download_wheels, unpack_wheels


@pytest.fixture
def asked(monkeypatch) -> list[str]:
    """What pip was asked for; it answers with a wheel of NumPy."""
    found: list[str] = []

    def pretend(command, complaint) -> None:
        found.extend(command)
        folder = Path(command[command.index("--dest") + 1])
        folder.mkdir(parents=True)
        with zipfile.ZipFile(folder / "numpy.whl", "w") as archive:
            archive.writestr("numpy/__init__.py", "")

    monkeypatch.setattr(wheels, "run", pretend)
    return found


@pytest.fixture
def root(tmp_path) -> Path:
    (tmp_path / "root/usr/bin").mkdir(parents=True)
    (tmp_path / "root/usr/bin/python3.11").touch()
    return tmp_path / "root"


def test_wheels_are_asked_for_by_version_platform_and_python_and_unpacked(asked, root, tmp_path):
    unpack_wheels(download_wheels(["numpy==2.4.6"], tmp_path / "wheels", root), tmp_path / "packages")
    assert asked[-1] == "numpy==2.4.6"
    assert asked[asked.index("--python-version") + 1] == "3.11"
    assert "manylinux_2_28_aarch64" in asked
    assert "--no-deps" not in asked
    assert (tmp_path / "packages/numpy/__init__.py").is_file()
    assert not list((tmp_path / "wheels").iterdir())


def test_what_wheels_need_can_be_left_out(asked, root, tmp_path):
    download_wheels(["torch==2.13.0"], tmp_path / "wheels", root, alone=True)
    assert "--no-deps" in asked
