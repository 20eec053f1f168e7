"""All artifacts by one command: one that fails does not end the others, and the table says what became of each."""

import pytest

from export.core.sidecar import Sidecar
from export.everything import main
from minivlm.errors import UserError
from minivlm.storage.files import sha256
from minivlm.weights.making import make_random


def test_what_can_be_made_is_made_and_what_cannot_is_said(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "minilm-tiny-onnx-int8.json" / "in the way").mkdir(parents=True)  # where the sidecar should go
    with pytest.raises(SystemExit) as ended:
        main(["--models", "minilm-tiny", "--runtimes", "onnx", "--output", str(tmp_path)])
    assert ended.value.code == 1
    printed = capsys.readouterr()
    made, failed = (line for line in printed.out.splitlines() if line.startswith("minilm-tiny"))
    assert made.split()[0] == "minilm-tiny-onnx-fp32.onnx"
    assert float(made.split()[2]) > 80.0  # dB, the bound of fp32
    assert failed.split() == ["minilm-tiny-onnx-int8.onnx", "-", "FAILED"]
    assert "minilm-tiny-onnx-int8.onnx: cannot write" in printed.err


def test_an_unknown_name_is_answered_with_those_there_are():
    for flag in ("--runtimes", "--formats"):  # the second is the older name
        with pytest.raises(UserError, match=r"unknown runtime 'onx': .*onnx"):
            main([flag, "litert, onx"])


def test_a_checkpoint_s_weights_are_exported_from_any_folder(tmp_path, monkeypatch, capsys):
    make_random(tmp_path / "mine", "minivlm-tiny", sizes={"layers": 1})
    monkeypatch.chdir(tmp_path)
    main(
        [
            "--checkpoint",
            "mine",
            "--models",
            "minilm-tiny",
            "--formats",
            "onnx",
            "--precision",
            "fp32",
            "--output",
            "out",
        ]
    )
    sidecar = Sidecar.read(tmp_path / "out" / "minilm-tiny-onnx-fp32.onnx")
    assert sidecar.weights.sha256 == sha256(tmp_path / "mine" / "model.safetensors")
    assert sidecar.sizes["layers"] == 1


@pytest.mark.parametrize(
    ("flags", "part"),
    [
        (["--checkpoint", "none"], "is not a folder"),
        (["--seed", "-1"], "--seed -1"),
        (["--seed", "1", "--checkpoint", "none"], "leave one of the two out"),
        (["--precision", "fp32", "--calibration", "."], "--calibration goes with int8 or int4"),
        (["--precision", "int8", "--calibration", "none"], "--calibration none is no folder"),
    ],
)
def test_weights_and_photos_that_cannot_be_are_refused_first(flags, part):
    with pytest.raises(UserError, match=part):
        main(flags)
