"""The emulated machine: what runs a script in it, and what its setup does and refuses. Nothing is downloaded here."""

import json
from importlib.metadata import version
from pathlib import Path

import pytest

from bench.emulation import machine
from bench.emulation.machine import MADE, WHEELS, Machine, check_host, ready_machine
from export.drivers import debian
from minivlm.console import Steps
from minivlm.errors import UserError


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "root/usr/bin").mkdir(parents=True)
    (tmp_path / "root/usr/bin/python3.11").touch()
    return tmp_path


def test_a_script_runs_in_the_emulator_with_the_machine_s_files_and_packages_only(folder, monkeypatch):
    monkeypatch.setattr(machine.shutil, "which", lambda name: None)
    command = Machine(folder, {}).command(Path("guest.py"), "job")
    assert command[:5] == [
        str(folder / "emulator/usr/bin/qemu-aarch64-static"), "-L", str(folder / "root"), "-cpu", "cortex-a76",
    ]  # fmt: skip
    assert any(part.startswith(f"PYTHONPATH={folder / 'packages'}:") for part in command)
    assert command[-4:] == [str(folder / "root/usr/bin/python3.11"), "-s", "guest.py", "job"]


def test_the_system_s_emulator_is_taken_if_there_is_one(folder, monkeypatch):
    monkeypatch.setattr(machine.shutil, "which", lambda name: f"/usr/bin/{name}")
    assert Machine(folder, {}).command(Path("x"))[0] == "/usr/bin/qemu-aarch64-static"


def test_its_processor_has_the_instructions_that_int8_kernels_ask_for(folder):
    machine._describe_processor(folder / "root")
    blocks = (folder / "root/proc/cpuinfo").read_text().strip().split("\n\n")
    assert len(blocks) == machine.CORES
    assert all("asimddp" in block and "CPU part\t: 0xd0b" in block for block in blocks)


class TestReady:
    def test_a_machine_with_the_installed_versions_is_used_as_it_is(self, folder, monkeypatch):
        monkeypatch.setattr(debian, "run", lambda *_: pytest.fail("something was set up"))
        versions = {name: version(name) for name in WHEELS}
        (folder / MADE).write_text(json.dumps(versions))
        assert ready_machine(folder, Steps()) == Machine(folder, versions)

    def test_one_with_others_is_set_up_anew_and_stays_whole_if_that_fails(self, folder, monkeypatch):
        def fail(*_: object) -> None:
            raise UserError("apt cannot read package lists: no network")

        monkeypatch.setattr(debian, "run", fail)
        monkeypatch.setattr(machine, "check_host", lambda: None)
        (folder / MADE).write_text(json.dumps({"numpy": "1.0"}))
        with pytest.raises(UserError, match="no network"):
            ready_machine(folder, Steps())
        assert (folder / "root/usr/bin/python3.11").is_file()
        assert not list(folder.parent.glob(".*.partial"))


class TestExecuTorch:
    @pytest.fixture
    def downloads(self, folder, monkeypatch) -> list[Path]:
        """Folders that it was set up in; the rest of the machine is there."""
        found: list[Path] = []

        def pretend(versions, partial, root) -> None:
            partial.mkdir()
            found.append(root)

        monkeypatch.setattr(machine.pytorch, "add_executorch", pretend)
        (folder / MADE).write_text(json.dumps({name: version(name) for name in WHEELS}))
        return found

    def test_it_is_set_up_when_it_is_first_asked_for(self, folder, downloads):
        ready_machine(folder, Steps())
        assert downloads == []
        for _ in range(2):
            ready = ready_machine(folder, Steps(), with_executorch=True)
            assert ready.versions["torch"] == version("torch")
        assert downloads == [folder / "root"]

    def test_another_version_replaces_it(self, folder, downloads):
        (folder / "executorch").mkdir()
        (folder / "executorch" / MADE).write_text(json.dumps({"executorch": "1.3.1", "torch": "2.12.0"}))
        ready_machine(folder, Steps(), with_executorch=True)
        assert downloads == [folder / "root"]

    def test_its_packages_and_libraries_are_where_python_and_the_loader_look(self, folder):
        command = Machine(folder, {}).command(Path("x"))
        assert f"PYTHONPATH={folder / 'packages'}:{folder / 'executorch/packages'}" in command
        assert f"LD_LIBRARY_PATH={folder / 'executorch/libraries'}" in command


class TestHost:
    def test_an_arm_machine_needs_no_emulation(self, monkeypatch):
        monkeypatch.setattr(machine.platform, "machine", lambda: "aarch64")
        with pytest.raises(UserError, match=r"is arm64 itself.*bench/run.py"):
            check_host()

    def test_without_apt_it_cannot_be_made(self, monkeypatch):
        monkeypatch.setattr(machine.platform, "machine", lambda: "x86_64")
        monkeypatch.setattr(machine.shutil, "which", lambda name: None if name == "apt-get" else name)
        with pytest.raises(UserError, match="this system has no apt-get: run it on Debian or Ubuntu"):
            check_host()
