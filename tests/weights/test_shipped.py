"""Which folder a flag for a checkpoint means."""

from pathlib import Path

import pytest

from minivlm.errors import UserError
from minivlm.weights.shipped import SHIPPED, checkpoint_argument, checkpoint_folder


def checkpoint(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    return folder


@pytest.mark.parametrize("name", SHIPPED)
def test_a_name_means_the_folder_that_comes_with_the_package(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    there = checkpoint(tmp_path / "assets" / name)
    assert checkpoint_folder(Path(name), tmp_path / "assets") == there


def test_a_checkpoint_of_that_name_here_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint(tmp_path / "assets" / "sample")
    checkpoint(tmp_path / "here" / "sample")
    monkeypatch.chdir(tmp_path / "here")
    assert checkpoint_folder(Path("sample"), tmp_path / "assets") == Path("sample")


def test_the_folder_that_make_sample_works_in_is_no_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = checkpoint(tmp_path / "assets" / "sample")
    (tmp_path / "here" / "sample" / "scenes").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    assert checkpoint_folder(Path("sample"), tmp_path / "assets") == there


def test_where_none_came_along_one_line_says_how_to_make_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"'sample-lite' did not come with this copy: make it by make sample-lite"):
        checkpoint_folder(Path("sample-lite"), tmp_path / "assets")


@pytest.mark.parametrize("name", ["other", "./elsewhere/sample", "samples"])
def test_other_names_are_folders_whether_they_are_there_or_not(name: str) -> None:
    assert checkpoint_argument(name) == Path(name)
