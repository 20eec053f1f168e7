"""The command that sets the software driver up: only where it is not there, and never half."""

import json

import pytest

from export import gpu_driver
from export.drivers.vulkan import MADE
from export.gpu_driver import main
from minivlm.errors import UserError


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(gpu_driver, "cache_folder", lambda: tmp_path / "vulkan")
    return tmp_path / "vulkan"


def test_one_that_is_there_is_left_alone(folder, monkeypatch, capsys):
    folder.mkdir()
    (folder / MADE).write_text(json.dumps({"mesa": "25.0.7", "libraries": []}))
    monkeypatch.setattr(gpu_driver, "set_up", lambda *_: pytest.fail("it was set up again"))
    main([])
    assert capsys.readouterr().out == f"a software Vulkan driver is there, in {folder}\n"


def test_it_is_set_up_where_it_is_missing_or_asked_for_again(folder, monkeypatch, capsys):
    monkeypatch.setattr(gpu_driver, "set_up", lambda given, steps: f"25.0.7 in {given.name}")
    for argv in ([], ["--again"]):
        main(argv)
        assert f"Mesa 25.0.7 in vulkan is set up in {folder}" in capsys.readouterr().out


def test_a_damaged_one_is_told_with_the_way_out(folder):
    folder.mkdir()
    for content in ("{", "{}"):
        (folder / MADE).write_text(content)
        with pytest.raises(UserError, match=r"set it up again with python export/gpu_driver.py --again$"):
            main([])
