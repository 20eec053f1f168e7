"""The cheap part of checking the Android app: `android_demo/check.sh` compiles it, where it can."""

import re
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest
import tree_sitter_kotlin
from tree_sitter import Language, Node, Parser

ROOT = Path(__file__).parents[2]
APP = ROOT / "android_demo"
SOURCES = sorted(path for path in APP.rglob("*.kt*") if "build" not in path.relative_to(APP).parts)
FIXTURES = ("preprocess", "tokenizer", "layout", "caption", "records")
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


def test_no_model_and_no_foreign_program_is_kept_with_the_app() -> None:
    kept = {path.suffix for path in APP.rglob("*") if path.is_file() and "build" not in path.relative_to(APP).parts}
    assert not kept & {".jar", ".aar", ".so", ".pte", ".apk", ".dex", ".bin"}
