"""Opening an artifact by its suffix."""

import pytest

from export.executorch_program import ExecuTorchProgram
from export.program import open_program
from minivlm.errors import UserError


def test_the_suffix_tells_the_runtime(exported):
    assert isinstance(open_program(exported("minilm-tiny").artifact), ExecuTorchProgram)


def test_a_missing_file_says_how_to_make_it(tmp_path):
    with pytest.raises(UserError, match=r"none.pte does not exist: make it with python export/to_executorch.py"):
        open_program(tmp_path / "none.pte")


def test_another_suffix_has_no_runtime(tmp_path):
    with pytest.raises(UserError, match=r"no runtime for .*model.txt: artifacts end in .*\.pte"):
        open_program(tmp_path / "model.txt")
