"""Which Vulkan driver is taken, and what is said where there is none. Nothing is downloaded or loaded."""

import json
from pathlib import Path

import pytest

from export.drivers import vulkan
from export.drivers.vulkan import CACHE, MADE, MANIFEST, NAMING, Driver, find_driver, mesa_version, read_cached
from minivlm.errors import UserError


@pytest.fixture
def system(tmp_path, monkeypatch) -> Path:
    """A Linux without any driver: no loader, no manifest, no GPU, nothing in the user's cache."""
    monkeypatch.setattr(vulkan.platform, "system", lambda: "Linux")
    monkeypatch.setattr(vulkan.Path, "home", lambda: tmp_path)
    monkeypatch.setattr(vulkan, "MANIFESTS", (str(tmp_path / "icd.d"),))
    monkeypatch.setattr(vulkan, "DEVICES", ())
    monkeypatch.setattr(vulkan.ctypes.util, "find_library", lambda name: None)
    for name in NAMING:
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def with_loader(monkeypatch) -> None:
    monkeypatch.setattr(vulkan.ctypes.util, "find_library", lambda name: "libvulkan.so.1")


def set_up(home: Path) -> Path:
    folder = home / CACHE
    folder.mkdir(parents=True)
    (folder / MADE).write_text(json.dumps({"mesa": "25.0.7", "libraries": ["root/a.so", "root/libvulkan.so.1"]}))
    return folder


class TestFound:
    def test_without_any_the_message_is_one_line_and_names_the_command(self, system):
        with pytest.raises(UserError, match=r"^LiteRT's GPU.* there is none: python export/gpu_driver.py sets up .*$"):
            find_driver()

    def test_the_software_driver_is_loaded_in_its_order_and_found_by_variables(self, system):
        folder = set_up(system)
        found = find_driver()
        assert list(found.libraries) == [folder / "root/a.so", folder / "root/libvulkan.so.1"]
        assert {found.environment[name] for name in NAMING} == {str(folder / MANIFEST)}

    def test_a_gpu_goes_before_it(self, system, monkeypatch):
        set_up(system)
        (system / "icd.d").mkdir()
        (system / "icd.d/real.json").touch()
        with_loader(monkeypatch)
        assert find_driver().libraries  # drivers are installed, and no GPU is seen
        monkeypatch.setattr(vulkan, "DEVICES", ("null",))  # of which every /dev has one
        assert find_driver() == Driver()

    def test_one_that_a_variable_names_goes_before_all_and_is_left_as_it_is(self, system, monkeypatch):
        folder = set_up(system)
        monkeypatch.setenv("VK_DRIVER_FILES", "/mine.json")
        assert find_driver() == Driver([folder / "root/libvulkan.so.1"])
        with_loader(monkeypatch)
        assert find_driver() == Driver()

    def test_other_systems_bring_their_own(self, system, monkeypatch):
        monkeypatch.setattr(vulkan.platform, "system", lambda: "Darwin")
        assert find_driver() == Driver()


def test_nothing_is_cached_in_an_empty_folder(tmp_path):
    assert read_cached(tmp_path) is None


def test_a_library_that_is_gone_is_told_with_the_way_out(tmp_path):
    with pytest.raises(UserError, match=r"cannot be loaded .*set it up again with python export/gpu_driver.py"):
        Driver([tmp_path / "gone.so"]).use()


def test_without_apt_it_cannot_be_set_up(tmp_path, monkeypatch):
    monkeypatch.setattr(vulkan, "missing_tools", lambda: ["apt-get"])
    with pytest.raises(UserError, match="this system has no apt-get: install Mesa's Vulkan drivers, 25 or later"):
        vulkan.set_up(tmp_path / "new", vulkan.Steps())
    assert not (tmp_path / "new").exists()


class TestMesa:
    """Debian 12 has 22.3, in which LiteRT finds no adapter; its backports have 25.0."""

    @pytest.mark.parametrize("version", ["25.0.7-2~bpo12+1", "1%3a26.1.0-1"])
    def test_a_new_one_is_taken(self, version):
        assert mesa_version([Path("libc6_2.36.deb"), Path(f"mesa-vulkan-drivers_{version}_amd64.deb")]) == version

    def test_an_old_one_is_refused(self):
        with pytest.raises(UserError, match=r"Mesa 22.3.6-1.* needs 25"):
            mesa_version([Path("mesa-vulkan-drivers_22.3.6-1_amd64.deb")])
