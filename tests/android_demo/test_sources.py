"""The cheap part of checking the Android app: `android_demo/check.sh` compiles it, where it can."""

import re
import shutil
import subprocess
import tomllib
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest
import tree_sitter_kotlin
from tree_sitter import Language, Node, Parser

from export.core.formats import FORMATS, runtime_name

ROOT = Path(__file__).parents[2]
APP = ROOT / "android_demo"
SOURCES = sorted(path for path in APP.rglob("*.kt*") if "build" not in path.relative_to(APP).parts)
FIXTURES = ("preprocess", "tokenizer", "layout", "caption", "records", "pieces")
OF_THE_IPHONE = ("photo.rgb", "ios.jsonl")
"""Written for, or by, Swift."""


def mistakes(node: Node) -> list[str]:
    """Where a syntax tree has what the grammar does not know, or lacks what it needs."""
    found = [f"line {node.start_point.row + 1}"] if node.is_error or node.is_missing else []
    return found + [mistake for child in node.children if node.has_error for mistake in mistakes(child)]


@pytest.fixture(scope="module")
def parser() -> Parser:
    return Parser(Language(tree_sitter_kotlin.language()))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(APP)))
def test_every_kotlin_file_parses(parser: Parser, path: Path) -> None:
    assert mistakes(parser.parse(path.read_bytes()).root_node) == []


def test_a_mistake_would_be_found(parser: Parser) -> None:
    assert mistakes(parser.parse(b"fun f(: Int {\n").root_node)


def test_core_needs_nothing_but_kotlin_and_java() -> None:
    for path in (APP / "core" / "src" / "main").rglob("*.kt"):
        imports = re.findall(r"^import (\w+)", path.read_text(), flags=re.MULTILINE)
        assert set(imports) <= {"java", "kotlin"}, path


@pytest.mark.parametrize("folder", FIXTURES)
def test_the_kotlin_tests_use_the_fixtures_that_python_uses(folder: str) -> None:
    tests = "".join(path.read_text() for path in (APP / "core" / "src" / "test").rglob("*.kt"))
    files = {path.name for path in (ROOT / "tests" / "fixtures" / folder).iterdir() if path.suffix != ".f32"}
    assert files
    for name in files.difference(OF_THE_IPHONE):
        assert f"{folder}/{name}" in tests


def test_calls_of_newer_systems_are_guarded() -> None:
    """The app runs from API 26 on; what came later is marked, and stands behind a test of the system's version."""
    marked = 0
    for path in (APP / "app").rglob("*.kt"):
        lines = path.read_text().splitlines()
        for before, line in pairwise(lines):
            if (since := re.search(r"// since API (\d+)$", line)) is not None:
                marked += 1
                assert f"SDK_INT < API_{since[1]}" in before, f"{path}: {line}"
    assert marked


def test_the_app_runs_the_version_that_artifacts_are_exported_with() -> None:
    catalog = tomllib.loads((APP / "gradle" / "libs.versions.toml").read_text())
    dependencies = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert f"executorch=={catalog['versions']['executorch']}" in dependencies


def test_the_app_runs_the_litert_that_artifacts_are_proven_with() -> None:
    catalog = tomllib.loads((APP / "gradle" / "libs.versions.toml").read_text())
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert f"ai-edge-litert=={catalog['versions']['litert']}" in extras["litert"]
    for name in ("litert", "litert-gpu"):  # since 2.3 the GPU's accelerator is a library of its own
        assert catalog["libraries"][name] == {
            "module": f"com.google.ai.edge.litert:{name}",
            "version": {"ref": "litert"},
        }


def test_the_library_with_vulkan_is_the_same_version_and_taken_by_a_property() -> None:
    catalog = tomllib.loads((APP / "gradle" / "libs.versions.toml").read_text())["libraries"]
    assert catalog["executorch-android-vulkan"]["version"] == catalog["executorch-android"]["version"]
    build = (APP / "app" / "build.gradle.kts").read_text()
    assert 'providers.gradleProperty("executorch").getOrElse("xnnpack")' in build
    message = (APP / "app/src/main/kotlin/org/minivlm/demo/ExecuTorchRuntime.kt").read_text()
    assert "-Pexecutorch=vulkan" in message


def test_an_app_that_lacks_opencl_installs_all_the_same() -> None:
    """From Android 12 on an app opens no library of the phone's maker that its manifest does not name."""
    root = ElementTree.parse(APP / "app" / "src" / "main" / "AndroidManifest.xml").getroot()
    android = "{http://schemas.android.com/apk/res/android}"
    found = {item.get(f"{android}name"): item.get(f"{android}required") for item in root.iter("uses-native-library")}
    assert found == {"libOpenCL.so": "false", "libOpenCL-pixel.so": "false"}


def test_delegates_have_the_names_that_exporters_give_them() -> None:
    names = {runtime_name(FORMATS["executorch"], delegate.name) for delegate in FORMATS["executorch"].delegates}
    source = (APP / "app/src/main/kotlin/org/minivlm/demo/Accelerators.kt").read_text()
    assert set(re.findall(r'"(executorch[\w-]*)"', source)) == names - {"executorch-coreml"}  # which is Apple's


def test_no_model_and_no_foreign_program_is_kept_with_the_app() -> None:
    files = [path for path in APP.rglob("*") if path.is_file() and "build" not in path.relative_to(APP).parts]
    kept = {
        path.suffix for path in files if path.name != "gradle-wrapper.jar"
    }  # git ignores what "gradle wrapper" makes
    assert not kept & {".jar", ".aar", ".so", ".pte", ".apk", ".dex", ".bin"}


class TestGradle:
    """What a first build needs, as far as reading the files tells."""

    def test_androidx_is_on_as_executorch_depends_on_it(self) -> None:
        assert "android.useAndroidX=true" in (APP / "gradle.properties").read_text().splitlines()

    def test_only_processors_that_executorch_s_library_is_made_for_can_install_the_app(self) -> None:
        build = (APP / "app" / "build.gradle.kts").read_text()
        assert 'ndk.abiFilters += listOf("arm64-v8a", "x86_64")' in build

    def test_the_wrapper_is_the_same_gradle_wherever_it_is_named(self) -> None:
        build = (APP / "build.gradle.kts").read_text()
        settings = (APP / "gradle" / "wrapper" / "gradle-wrapper.properties").read_text()
        (version,) = re.findall(r'gradleVersion = "([\d.]+)"', build)
        (checksum,) = re.findall(r'distributionSha256Sum = "([0-9a-f]{64})"', build)
        assert f"gradle-{version}-bin.zip\n" in settings
        assert f"distributionSha256Sum={checksum}\n" in settings

    def test_without_the_wrapper_s_jar_one_line_says_how_to_get_it(self, tmp_path: Path) -> None:
        shutil.copy(APP / "gradlew", tmp_path)
        done = subprocess.run([tmp_path / "gradlew", "installDebug"], capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert len(done.stderr.splitlines()) == 1
        assert 'run "gradle wrapper" in' in done.stderr
        assert "gradle-wrapper.jar" in (APP / ".gitignore").read_text()

    def test_the_wrapper_is_run_with_the_java_that_java_home_names(self, tmp_path: Path) -> None:
        shutil.copy(APP / "gradlew", tmp_path)
        jar = tmp_path / "gradle" / "wrapper" / "gradle-wrapper.jar"
        jar.parent.mkdir(parents=True)
        jar.touch()
        java = tmp_path / "jdk" / "bin" / "java"
        java.parent.mkdir(parents=True)
        java.write_text('#!/bin/sh\necho "$PWD" "$@"\n')
        java.chmod(0o755)
        command = [tmp_path / "gradlew", "installDebug", "--stacktrace"]
        environment = {"JAVA_HOME": str(tmp_path / "jdk"), "PATH": "/usr/bin:/bin"}
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        assert done.stdout.startswith(str(tmp_path))
        assert done.stdout.endswith("org.gradle.wrapper.GradleWrapperMain installDebug --stacktrace\n")


class TestManifest:
    """The benchmark's activity; aapt2 knows whether these attributes exist."""

    ANDROID = "{http://schemas.android.com/apk/res/android}"

    @pytest.fixture
    def activity(self) -> dict[str, str]:
        root = ElementTree.parse(APP / "app" / "src" / "main" / "AndroidManifest.xml").getroot()
        found = {item.get(f"{self.ANDROID}name"): item for item in root.iter("activity")}[".BenchmarkActivity"]
        return {name.removeprefix(self.ANDROID): value for name, value in found.attrib.items()}

    def test_it_shows_over_the_lock_screen_and_switches_the_screen_on(self, activity: dict[str, str]) -> None:
        assert (activity["showWhenLocked"], activity["turnScreenOn"]) == ("true", "true")

    def test_no_change_of_the_configuration_starts_it_anew(self, activity: dict[str, str]) -> None:
        # Every value that Android's R.attr.configChanges lists up to API 29.
        known = {"mcc", "mnc", "locale", "touchscreen", "keyboard", "keyboardHidden", "navigation", "orientation"}
        known |= {"screenLayout", "uiMode", "screenSize", "smallestScreenSize", "density", "layoutDirection"}
        assert set(activity["configChanges"].split("|")) == known | {"colorMode", "fontScale"}

    def test_other_apps_cannot_start_it(self, activity: dict[str, str]) -> None:
        assert activity["permission"] == "android.permission.DUMP"
