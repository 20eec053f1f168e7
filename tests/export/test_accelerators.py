"""The table of accelerators says what sidecars say, a line for each proof."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from export.accelerators import HEADING, main
from export.core.acceleration import AcceleratedMethod, AcceleratorProof, Adapter, Placement
from export.core.lowering import REFERENCE, RUN, Lowering, Piece
from export.core.metric import Metric
from export.core.sidecar import MethodReport, Sidecar
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


def test_a_delegate_has_a_line_with_what_it_takes_and_who_proved_it(tmp_path, capsys):
    """3 of 4 multiply-adds in two pieces of Core ML, the fourth in one of XNNPACK."""
    pieces = [
        Piece(delegate="coreml", operators=5, macs=2, status=REFERENCE),
        Piece(delegate="xnnpack", operators=1, macs=1, status=RUN),
        Piece(delegate="coreml", operators=2, macs=1, status=REFERENCE),
    ]
    parity = [Metric("median feature SQNR dB", 105.6, 80.0), Metric("regions matched at IoU 0.9", 1.0, 1.0)]
    report = MethodReport("forward", [], [], parity, 4, 1.0, Lowering(pieces=pieces, outside={}))
    given = replace(SIDECAR, runtime="executorch", delegate="coreml", methods=[report], accelerators=[])
    (tmp_path / "one.pte").write_bytes(CONTENT)
    given.write(tmp_path / "one.pte")
    main([str(tmp_path)])
    (line,) = capsys.readouterr().out.splitlines()[2:]
    assert line == (
        "| minivlm-tiny | random | ExecuTorch | fp32 | coreml | fp32 | 2 | 75.0% | 105.6 | 1.00 |  "
        "| the reference executor |"
    )


def test_a_delegate_s_share_is_of_what_is_in_the_artifact():
    """3 of the 4 multiply-adds in pieces are Core ML's; the model has 5, of which one is outside, or nowhere."""
    pieces = [Piece(delegate=name, operators=1, macs=macs) for name, macs in (("coreml", 3), ("xnnpack", 1))]
    lowering = Lowering(pieces=pieces, outside={})
    shares = [MethodReport("step", [], [], [], 5, inside, lowering).share("coreml") for inside in (0.8, 1.0)]
    assert shares == pytest.approx([3 / 5, 3 / 4])


def test_a_folder_without_any_is_told_with_the_way_to_one(tmp_path):
    write(tmp_path, "other", replace(SIDECAR, accelerators=[]))
    with pytest.raises(UserError, match="no artifact for an accelerator: export one with --accelerator or --delegate"):
        main([str(tmp_path)])
