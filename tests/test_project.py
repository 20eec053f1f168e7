"""What the project says about itself in several places is the same in all of them."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

import minivlm

ROOT = Path(__file__).resolve().parents[1]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = re.findall(r"^([a-z0-9-]+):.*##", MAKEFILE, re.MULTILINE)


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def jobs() -> dict[str, dict[str, Any]]:
    return {f"{path.stem}/{name}": job for path in WORKFLOWS for name, job in load(path)["jobs"].items()}


class TestVersions:
    def test_the_citation_is_of_this_version(self) -> None:
        assert str(load(ROOT / "CITATION.cff")["version"]) == minivlm.__version__

    def test_the_changelog_begins_with_this_version_or_what_comes_after_it(self) -> None:
        changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
        sections = re.findall(r"^## (\S+)(?: \((.+)\))?$", changelog, re.MULTILINE)
        assert sections[0][0] == "Unreleased" or sections[0][0] == minivlm.__version__
        assert all(re.fullmatch(r"\d{4}-\d\d-\d\d", date) for name, date in sections if name != "Unreleased")

    def test_pythons_are_the_same_to_pip_make_ci_and_the_reader(self) -> None:
        known = re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"]))
        first, last = (int(version.partition(".")[2]) for version in (known[0], known[-1]))
        assert PROJECT["requires-python"] == f">=3.{first},<3.{last + 1}"
        assert f"(3, {first}) <= sys.version_info[:2] <= (3, {last})" in MAKEFILE
        matrix = jobs()["ci/test"]["strategy"]["matrix"]["include"]
        assert [entry["python"] for entry in matrix] == known
        assert f"Python 3.{first} to 3.{last}" in (ROOT / "README.md").read_text(encoding="utf-8")

    def test_the_table_of_platforms_is_of_the_pinned_versions(self) -> None:
        table = (ROOT / "docs/platforms.md").read_text(encoding="utf-8")
        extras = PROJECT["optional-dependencies"]
        brought = ("onnx", "litert", "coreml", "evaluate", "train", "lite", "scenes")
        pins = [*PROJECT["dependencies"], *(pin for name in brought for pin in extras[name])]
        for pin in pins:
            name, _, version = pin.partition(";")[0].partition("==")
            assert f"| {name} {version} |" in table


class TestWorkflows:
    @pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
    def test_actions_are_pinned_by_commit_and_say_their_version(self, path: Path) -> None:
        used = re.findall(r"uses: (.*)", path.read_text(encoding="utf-8"))
        assert used
        for action in used:
            assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action), action

    def test_one_action_has_one_commit_everywhere(self) -> None:
        used = {action for path in WORKFLOWS for action in re.findall(r"uses: (.*)", path.read_text(encoding="utf-8"))}
        assert len(used) == len({action.partition("@")[0] for action in used})

    @pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
    def test_a_workflow_may_only_read_and_never_runs_beside_itself(self, path: Path) -> None:
        workflow = load(path)
        assert workflow["permissions"] == {"contents": "read"}
        assert workflow["concurrency"]["group"]

    def test_only_what_speaks_may_write(self) -> None:
        writing = {name: job["permissions"] for name, job in jobs().items() if "permissions" in job}
        assert writing == {
            "ci/regression": {"contents": "read", "pull-requests": "write"},
            "release/release": {"contents": "write"},
        }

    @pytest.mark.parametrize("name", jobs())
    def test_a_job_ends_and_puts_nothing_from_outside_into_a_shell(self, name: str) -> None:
        job = jobs()[name]
        assert job["timeout-minutes"] <= 350
        for step in job["steps"]:
            assert not re.search(r"\$\{\{(?!\s*matrix\.)", step.get("run", ""))

    def test_what_make_is_asked_for_is_there(self) -> None:
        asked = {target for job in jobs().values() for target in _asked(job)}
        assert {"full", "check-android", "check-ios", "check-arm64", "lint", "docs", "package", "test"} <= asked
        assert asked <= set(TARGETS)


def _asked(job: dict[str, Any]) -> list[str]:
    matrix = job.get("strategy", {}).get("matrix", {})
    commands = [step.get("run", "") for step in job["steps"]]
    commands += [entry["command"] for entry in matrix.get("include", [])]
    lines = re.findall(r"^make ([a-z0-9 -]+)$", "\n".join(commands), re.MULTILINE)
    return [*matrix.get("target", []), *(target for line in lines for target in line.split())]


class TestHooks:
    def test_hooks_run_tools_of_the_environment_and_fetch_nothing(self) -> None:
        config = load(ROOT / ".pre-commit-config.yaml")
        assert [repository["repo"] for repository in config["repos"]] == ["local"]
        for hook in config["repos"][0]["hooks"]:
            assert hook["entry"].startswith(".venv/bin/")
            assert hook["language"] == "system"

    def test_every_extra_pins_what_it_asks_for(self) -> None:
        for requirements in PROJECT["optional-dependencies"].values():
            for requirement in requirements:
                assert "==" in requirement or requirement.startswith("minivlm-edge[")


def test_phony_targets_are_all_targets() -> None:
    phony = re.search(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)
    assert phony is not None
    assert set(phony[1].split()) == set(TARGETS)


@pytest.mark.parametrize("package", ["minivlm", "export", "bench"])
def test_packages_say_that_they_are_typed(package: str) -> None:
    assert (ROOT / package / "py.typed").is_file()
