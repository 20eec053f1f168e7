"""The house: which room may look into which, how large a file may be, and what folders may be called.

Scripts and `__main__` are doors: they use every room, and no room uses them.
"""

import ast
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FLOORS = {
    "minivlm": (
        *("minivlm", "minivlm.ops", "minivlm.storage", "minivlm.vision", "minivlm.language", "minivlm.models"),
        *("minivlm.images", "minivlm.weights", "minivlm.inference", "minivlm.datasets", "minivlm.scenes"),
        *("minivlm.evaluation", "minivlm.training", "minivlm.training.language", "minivlm.cards", "minivlm.cli"),
    ),
    "export": (
        *("export.core", "export.drivers", "export.rewrites", "export.mil", "export.runtime"),
        *(f"export.backends.{name}" for name in ("coreml", "executorch", "litert", "onnx")),
        *("export.verify", "export.flow"),
    ),
    "bench": (
        *("bench.emulation", "bench.costs", "bench.records", "bench.workers", "bench.machine", "bench.measure"),
        *("bench.reporting", "bench.scores", "bench.regression", "bench.devices", "bench.session", "bench.studies"),
    ),
}
"""By folder its rooms: each may import those before it and no others. "minivlm" are the modules beside the rooms."""
PACKAGES = tuple(FLOORS)
LONGEST, LONGEST_TEST = 320, 300
"""Lines of a file and of one of the tests: about what can be read at one go."""


def modules() -> dict[str, Path]:
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts): path
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
    }


MODULES = modules()


def is_door(module: str) -> bool:
    parent, _, name = module.rpartition(".")
    return name == "__main__" or (name == "__init__" and parent in PACKAGES) or parent in ("export", "bench")


def room(module: str) -> str:
    return module.rpartition(".")[0]


def imported(path: Path) -> Iterator[str]:
    """Yield the project's modules that a file imports, also within functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if name in MODULES else node.module for name in names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            yield from (found for found in (name, f"{name}.__init__") if found in MODULES)


EDGES = [(module, other) for module, path in MODULES.items() for other in imported(path)]


def test_arrows_go_from_bench_to_export_to_minivlm() -> None:
    reach = {"minivlm": {"minivlm"}, "export": {"minivlm", "export"}, "bench": {"minivlm", "export", "bench"}}
    wrong = [edge for edge in EDGES if edge[1].split(".")[0] not in reach[edge[0].split(".")[0]]]
    assert wrong == []


def test_no_room_looks_into_one_above_it() -> None:
    wrong = []
    for module, other in EDGES:
        package = module.split(".")[0]
        if is_door(module) or other.split(".")[0] != package or room(module) == room(other):
            continue
        floors = FLOORS[package]
        if is_door(other) or floors.index(room(other)) > floors.index(room(module)):
            wrong.append((module, other))
    assert wrong == []


def test_formats_know_nothing_of_each_other() -> None:
    backends = [(module.split(".")[2], other.split(".")[2]) for module, other in EDGES if both_backends(module, other)]
    assert all(one == another for one, another in backends)


def both_backends(*names: str) -> bool:
    return all(name.startswith("export.backends.") and name.count(".") > 2 for name in names)


def test_every_room_has_its_place() -> None:
    rooms = {room(module) for module in MODULES if not is_door(module) and not module.endswith("__init__")}
    assert rooms == {place for floors in FLOORS.values() for place in floors}


@pytest.mark.parametrize("package", ["export", "bench"])
def test_no_folder_hides_an_installed_package(package: str) -> None:
    """Scripts put their own folder first on the path."""
    folders = [path.name for path in (ROOT / package).iterdir() if path.is_dir() and path.name != "__pycache__"]
    code = f"from importlib.util import find_spec; print([name for name in {folders} if find_spec(name)])"
    found = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_files_can_be_read_at_one_go() -> None:
    assert longer_than(LONGEST, MODULES.values()) == {}
    assert longer_than(LONGEST_TEST, (ROOT / "tests").rglob("*.py")) == {}


def longer_than(most: int, files: Iterable[Path]) -> dict[str, int]:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in files}
    return {name: length for name, length in lengths.items() if length > most}


def test_every_room_says_what_it_is_for() -> None:
    for module, path in MODULES.items():
        if module.endswith("__init__"):
            assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), module
