"""Whether a driver is software, from what a system shows. Nothing is loaded."""

import json

import pytest

from export.core.acceleration import DriverFacts
from export.drivers import vulkan_facts
from export.drivers.vulkan_facts import Seen, driver_facts, judge, look
from minivlm.errors import UserError
from tests.export.drivers.test_vulkan import set_up, system, with_loader  # noqa: F401  # a fixture

LAVAPIPE, SWIFTSHADER, RADEON, NVIDIA = (
    "libvulkan_lvp.so",
    "libvk_swiftshader.so",
    "libvulkan_radeon.so",
    "libGLX_nvidia.so.0",
)


class TestJudged:
    """The library names are those of Mesa 25's, Chromium's and NVIDIA's manifests."""

    @pytest.mark.parametrize(
        ("seen", "facts"),
        [
            (Seen([LAVAPIPE], named=False, gpu=False), DriverFacts("llvmpipe", software=True)),
            (Seen([SWIFTSHADER], named=True, gpu=True), DriverFacts("SwiftShader", software=True)),
            # Mesa's package brings the drivers of all GPUs; without one, only the software is left.
            (Seen([LAVAPIPE, RADEON], named=False, gpu=False), DriverFacts("llvmpipe", software=True)),
            (Seen([LAVAPIPE, RADEON], named=False, gpu=True), DriverFacts(RADEON)),
            # What a variable names may drive what /dev does not show, as on WSL.
            (Seen([LAVAPIPE, "libvulkan_dzn.so"], named=True, gpu=False), DriverFacts("libvulkan_dzn.so")),
            (Seen([NVIDIA], named=False, gpu=True, nvidia="550.54.15"), DriverFacts("NVIDIA 550.54.15")),
            (Seen([NVIDIA, LAVAPIPE], named=False, gpu=True, nvidia="550.54.15"), DriverFacts("NVIDIA 550.54.15")),
            (Seen([RADEON, "libvulkan_intel.so"], named=False, gpu=True), DriverFacts("")),
            (Seen([], named=True, gpu=False), DriverFacts("")),
        ],
    )
    def test_it_is_software_where_nothing_else_can_be_taken(self, seen, facts):
        assert judge(seen) == facts


class TestLooked:
    def test_the_cached_driver_is_known_by_its_manifest(self, system):  # noqa: F811
        folder = set_up(system)
        link = {"ICD": {"library_path": "./root/usr/lib/libvulkan_lvp.so"}}
        (folder / "driver.json").write_text(json.dumps(link))
        assert look() == Seen([LAVAPIPE], named=True, gpu=False, nvidia=look().nvidia)
        assert driver_facts().software

    def test_one_that_a_variable_names_goes_before_those_of_the_system(self, system, monkeypatch):  # noqa: F811
        with_loader(monkeypatch)
        manifest = system / "mine.json"
        manifest.write_text(json.dumps({"ICD": {"library_path": "/opt/libvk_swiftshader.so"}}))
        monkeypatch.setenv("VK_DRIVER_FILES", str(manifest))
        assert driver_facts() == DriverFacts("SwiftShader", software=True)

    def test_the_system_s_are_all_read_and_nvidia_s_version_is_the_kernel_s(self, system, monkeypatch):  # noqa: F811
        with_loader(monkeypatch)
        monkeypatch.setattr("export.drivers.vulkan.DEVICES", ("null",))  # of which every /dev has one
        (system / "icd.d").mkdir()
        for name, library in (("lvp", LAVAPIPE), ("nvidia", NVIDIA)):
            (system / f"icd.d/{name}_icd.json").write_text(json.dumps({"ICD": {"library_path": library}}))
        (system / "version").write_text("550.54.15\n")
        monkeypatch.setattr(vulkan_facts, "NVIDIA", system / "version")
        assert look() == Seen([LAVAPIPE, NVIDIA], named=False, gpu=True, nvidia="550.54.15")

    def test_a_manifest_that_cannot_be_read_says_nothing(self, system, monkeypatch):  # noqa: F811
        with_loader(monkeypatch)
        (system / "damaged.json").write_text("{")
        monkeypatch.setenv("VK_DRIVER_FILES", f"{system}/damaged.json:{system}/gone.json")
        assert driver_facts() == DriverFacts("")

    def test_without_any_driver_it_is_told_how_to_get_one(self, system):  # noqa: F811
        with pytest.raises(UserError, match=r"python export/gpu_driver.py sets up one in software"):
            driver_facts()

    def test_other_systems_bring_their_own_and_nothing_is_told_of_it(self, system, monkeypatch):  # noqa: F811
        monkeypatch.setattr(vulkan_facts.platform, "system", lambda: "Darwin")
        assert driver_facts() == DriverFacts()
