"""Debian packages beside the system: what apt is told, and what is said when a tool fails. Nothing is downloaded."""

import pytest

from export.drivers import debian
from export.drivers.debian import Apt, missing_tools, run
from minivlm.errors import UserError


@pytest.fixture
def told(monkeypatch) -> list[list[str]]:
    commands: list[list[str]] = []

    def pretend(command, complaint, folder=None) -> str:
        commands.append(list(command))
        return (
            "Debian main http://mirror/debian bookworm\nDebian contrib http://mirror/debian bookworm\nOther main x y\n"
        )

    monkeypatch.setattr(debian, "run", pretend)
    return commands


class TestApt:
    def test_it_has_a_state_of_its_own(self, tmp_path, told):
        Apt(tmp_path, "arm64").update()
        (command,) = told
        assert command[0] == "apt-get"
        assert command[-1] == "update"
        assert {f"Dir::State={tmp_path}/state", "APT::Architectures=arm64"} <= set(command)
        assert (tmp_path / "state/status").read_text() == ""  # nothing is installed

    def test_it_takes_the_system_s_sources_or_those_of_a_file(self, tmp_path, told):
        Apt(tmp_path, "amd64").update()
        Apt(tmp_path, "amd64", tmp_path / "sources.list").update()
        given = [[part for part in command if part.startswith("Dir::Etc")] for command in told]
        assert given == [[], [f"Dir::Etc::sourcelist={tmp_path}/sources.list", "Dir::Etc::sourceparts=-"]]

    def test_a_release_is_asked_for_by_name(self, tmp_path, told):
        Apt(tmp_path, "amd64").download_with_all_needed(["mesa"], "none", release="bookworm-backports")
        (command,) = told
        assert command[command.index("--target-release") + 1] == "bookworm-backports"
        assert command[-2:] == ["install", "mesa"]

    def test_it_tells_where_a_distributor_s_main_packages_come_from(self, tmp_path, told):
        assert Apt(tmp_path, "amd64").sites("Debian") == [("http://mirror/debian", "bookworm")]


def test_a_tool_that_fails_is_told_with_its_last_line():
    with pytest.raises(UserError, match=r"^it broke: second$"):
        run(["sh", "-c", "echo first; echo second; exit 3"], "it broke")


def test_tools_that_are_missing_are_named(monkeypatch):
    monkeypatch.setattr(debian.shutil, "which", lambda name: None if name == "dpkg-deb" else name)
    assert missing_tools() == ["dpkg-deb"]
