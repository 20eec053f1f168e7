"""The iOS app's files without a Swift compiler: they parse, and name each other, the fixtures and the package right.

`ios_demo/check.sh` runs Swift itself where there is one.
"""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import tree_sitter_swift
import yaml
from tree_sitter import Language, Node, Parser

from export.core.formats import FORMATS, runtime_name
from export.core.sidecar import FORMAT
from minivlm.vision.pixels import IMAGENET_RGB

PROJECT = Path(__file__).parents[2]
APP = PROJECT / "ios_demo"
SOURCES = sorted(APP.rglob("*.swift"))


@pytest.fixture(scope="module")
def parser() -> Parser:
    return Parser(Language(tree_sitter_swift.language()))


@pytest.fixture(scope="module")
def description() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((APP / "project.yml").read_text(encoding="utf-8"))
    return loaded


def mistakes(node: Node) -> list[int]:
    """Line numbers from 1 of what is no Swift."""
    if node.is_error or node.is_missing:
        return [node.start_point.row + 1]
    return [line for child in node.children if child.has_error or child.is_missing for line in mistakes(child)]


class TestSources:
    def test_there_are_sources_of_the_core_its_tests_and_the_app(self) -> None:
        folders = {path.relative_to(APP).parts[0] for path in SOURCES}
        assert folders == {"App", "MiniVLMCore", "MiniVLMCoreTests", "Package.swift", "Stubs"}

    @pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(APP)))
    def test_they_are_swift(self, path: Path, parser: Parser) -> None:
        assert mistakes(parser.parse(path.read_bytes()).root_node) == []

    def test_a_missing_brace_would_be_found(self, parser: Parser) -> None:
        assert mistakes(parser.parse(b"func f() {\n    let x = [1, 2\n}\n").root_node) != []

    def test_the_core_needs_nothing_but_foundation(self) -> None:
        imports = {
            name
            for path in SOURCES
            if path.is_relative_to(APP / "MiniVLMCore")
            for name in re.findall(r"^import (\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
        }
        assert imports == {"Foundation"}

    def test_every_framework_of_the_app_has_an_outline_to_check_types_against(self) -> None:
        used = {
            name
            for path in SOURCES
            if path.is_relative_to(APP / "App")
            for name in re.findall(r"^import (\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
        }
        outlines = {path.stem for path in (APP / "Stubs").glob("*.swift")}
        assert used - {"Foundation", "Observation", "MiniVLMCore"} == outlines

    def test_the_fixtures_that_the_tests_name_are_there(self) -> None:
        named = {
            name
            for path in (APP / "MiniVLMCoreTests").glob("*.swift")
            for name in re.findall(r'"((?:preprocess|tokenizer|layout|caption|records)/[\w.]+)"', path.read_text())
        }
        assert {name.split("/")[0] for name in named} == {"preprocess", "tokenizer", "layout", "caption", "records"}
        for name in named:
            assert (PROJECT / "tests" / "fixtures" / name).is_file(), name


class TestProject:
    """project.yml, from which XcodeGen makes the Xcode project."""

    def test_the_folders_it_names_are_there(self, description: dict[str, Any]) -> None:
        folders = [folder for target in description["targets"].values() for folder in target["sources"]]
        assert folders == ["MiniVLMCore", "App"]
        for folder in folders:
            assert list((APP / folder).rglob("*.swift")), folder

    def test_dependencies_are_packages_and_targets_that_it_declares(self, description: dict[str, Any]) -> None:
        used = description["targets"]["MiniVLM"]["dependencies"]
        assert {item["package"] for item in used if "package" in item} == set(description["packages"])
        assert [item["target"] for item in used if "target" in item] == ["MiniVLMCore"]

    def test_backends_are_linked_whole(self, description: dict[str, Any]) -> None:
        """They register themselves when they are loaded; the linker drops what nothing names."""
        target = description["targets"]["MiniVLM"]
        assert "-all_load" in target["settings"]["base"]["OTHER_LDFLAGS"].split()
        products = {item.get("product") for item in target["dependencies"]}
        assert {"executorch", "backend_xnnpack", "backend_coreml"} <= products

    def test_what_whole_libraries_need_is_linked_and_what_does_not_link_is_not(
        self, description: dict[str, Any]
    ) -> None:
        """Issue 22686 of pytorch/executorch: -all_load needs both frameworks, and kernels_torchao needs KleidiAI."""
        used = description["targets"]["MiniVLM"]["dependencies"]
        assert {item["sdk"] for item in used if "sdk" in item} == {"Accelerate.framework", "CoreImage.framework"}
        assert "kernels_torchao" not in {item.get("product") for item in used}

    def test_it_takes_the_executorch_that_artifacts_are_made_with(self, description: dict[str, Any]) -> None:
        pinned = re.search(r'"executorch==([\d.]+)"', (PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
        assert pinned is not None
        assert description["packages"]["ExecuTorch"]["branch"] == f"swiftpm-{pinned[1]}"

    def test_the_app_and_its_core_ask_for_the_same_ios(self, description: dict[str, Any]) -> None:
        package = (APP / "Package.swift").read_text(encoding="utf-8")
        (version,) = re.findall(r"\.iOS\(\.v(\d+)\)", package)
        assert description["options"]["deploymentTarget"]["iOS"] == f"{version}.0"


class TestAgreementWithPython:
    def text(self, path: str) -> str:
        return (APP / "MiniVLMCore" / path).read_text(encoding="utf-8")

    def test_the_core_reads_sidecars_as_they_are_written(self) -> None:
        assert f"static let readable = {FORMAT}\n" in self.text("Model/Sidecar.swift")

    def test_delegates_have_the_names_that_exporters_give_them(self) -> None:
        names = {runtime_name(FORMATS["executorch"], one.name) for one in FORMATS["executorch"].delegates}
        targets = re.findall(r'target: "([\w-]+)"', self.text("Screen/Accelerator.swift"))
        assert set(targets) == (names - {"executorch-vulkan"}) | {"coreml"}  # Apple's systems have no Vulkan

    def test_photos_are_normalised_with_the_same_statistics(self) -> None:
        found = re.search(r"mean: \[(.+?)\], std: \[(.+?)\]", self.text("Photo/PixelFormat.swift"))
        assert found is not None
        mean, std = (tuple(map(float, numbers.split(", "))) for numbers in found.groups())
        assert (mean, std) == (IMAGENET_RGB.mean, IMAGENET_RGB.std)


@pytest.mark.parametrize("script", ["check.sh", "debian_swift.sh", "simulator.sh"])
def test_scripts_are_shell(script: str) -> None:
    path = APP / script
    assert path.stat().st_mode & 0o100, "executable"
    assert subprocess.run(["sh", "-n", str(path)], check=False).returncode == 0
