"""All artifacts by one command: one that fails does not end the others, and the table says what became of each."""

import pytest

from export.everything import main, names
from export.formats import FORMATS
from minivlm.errors import UserError


def test_what_can_be_made_is_made_and_what_cannot_is_said(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "minilm-tiny-onnx-int8.json" / "in the way").mkdir(parents=True)  # where the sidecar should go
    with pytest.raises(SystemExit) as ended:
        main(["--models", "minilm-tiny", "--formats", "onnx", "--output", str(tmp_path)])
    assert ended.value.code == 1
    printed = capsys.readouterr()
    made, failed = (line for line in printed.out.splitlines() if line.startswith("minilm-tiny"))
    assert made.split()[0] == "minilm-tiny-onnx-fp32.onnx"
    assert float(made.split()[2]) > 80.0  # dB, the bound of fp32
    assert failed.split() == ["minilm-tiny-onnx-int8.onnx", "-", "FAILED"]
    assert "minilm-tiny-onnx-int8.onnx: cannot write" in printed.err


def test_an_unknown_name_is_answered_with_those_there_are():
    with pytest.raises(UserError, match=r"--formats: unknown 'onx': .*onnx"):
        names("--formats", "litert, onx", list(FORMATS))
