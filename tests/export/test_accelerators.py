"""The table of accelerators says what sidecars say, a line for each proof."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from export.accelerators import HEADING, main
from export.core.acceleration import AcceleratedMethod, AcceleratorProof, Adapter, Placement
from export.core.metric import Metric
from export.core.sidecar import Sidecar
from minivlm.errors import UserError
from minivlm.weights.loading import WeightsOrigin

CONTENT = b"artifact"
PROOF = AcceleratorProof(
    "gpu",
    "fp16",
    Adapter("llvmpipe", software=True),
    methods=[
        AcceleratedMethod(
            "regions",
            Placement(3, 0.9951, ()),
            [
                Metric("regions matched at IoU 0.9", 0.78, 0.6),
                Metric("median feature SQNR dB", 32.62, 29.0),
                Metric("median geometry SQNR dB", 20.0, 29.0),
            ],
        ),
        AcceleratedMethod("step", Placement(1, 1.0, ()), [Metric("logits SQNR dB", 54.64, 25.0)]),
        AcceleratedMethod("vqa", Placement(1, 1.0, ()), [Metric("logits SQNR dB", 51.25, 25.0)]),
    ],
    whole=[],
)
SIDECAR = Sidecar(
    model="minivlm-tiny",
    runtime="litert",
    precision="fp32",
    weights=WeightsOrigin.of_seed(0),
    methods=[],
    kept_float=[],
    calibration=None,
    proof=[],
    photo="china.jpg",
    bytes=len(CONTENT),
    sha256=hashlib.sha256(CONTENT).hexdigest(),
    seconds={},
    versions={},
    accelerators=[PROOF],
)


def write(folder: Path, name: str, sidecar: Sidecar) -> None:
    (folder / f"{name}.tflite").write_bytes(CONTENT)
    sidecar.write(folder / f"{name}.tflite")


def test_a_line_has_the_worst_of_all_methods(tmp_path, capsys):
    write(tmp_path, "one", SIDECAR)
    write(tmp_path, "other", replace(SIDECAR, accelerators=[]))
    main([str(tmp_path)])
    heading, _, *lines = capsys.readouterr().out.splitlines()
    assert [cell.strip() for cell in heading.strip("|").split("|")] == list(HEADING)
    assert lines == [
        "| minivlm-tiny | random | LiteRT | fp32 | gpu | fp16 | 3 | 99.5% | 32.6 | 0.78 | 51.2 "
        "| llvmpipe, in software |"
    ]


def test_a_folder_without_any_is_told_with_the_way_to_one(tmp_path):
    write(tmp_path, "other", replace(SIDECAR, accelerators=[]))
    with pytest.raises(UserError, match="no artifact that was proven on an accelerator: export one with --accelerator"):
        main([str(tmp_path)])
