"""What is said of an artifact on an accelerator: where it ran, in software or not, and what misses its bound."""

from export.core.acceleration import AcceleratedMethod, AcceleratorProof, Adapter, Placement
from export.core.metric import Metric

GOOD, BAD = Metric("features dB", 40.0, 35.0), Metric("pieces", 4, 3, at_least=False)
PROOF = AcceleratorProof(
    "gpu",
    "fp16",
    Adapter("llvmpipe", software=True),
    methods=[
        AcceleratedMethod("regions", Placement(4, 0.9951, ("SUM", "MUL")), [GOOD, BAD]),
        AcceleratedMethod("step", Placement(1, 1.0, ()), [GOOD]),
    ],
    whole=[Metric("tokens", 0.5, 1.0)],
)


def test_each_line_says_what_a_reader_needs():
    assert PROOF.lines == [
        "on gpu in fp16 (llvmpipe, in software):",
        "  regions: 99.5% of multiply-adds in 4 pieces, refused: SUM, MUL; features dB 40 (>= 35), "
        "pieces 4 (<= 3, FAILED)",
        "  step: 100.0% of multiply-adds in 1 piece; features dB 40 (>= 35)",
        "  whole: tokens 0.5 (>= 1, FAILED)",
    ]


def test_what_failed_is_told_by_method():
    assert PROOF.failed == ["regions: pieces 4 (<= 3, FAILED)", "tokens 0.5 (>= 1, FAILED)"]


def test_a_gpu_is_named_as_it_is():
    assert str(Adapter("Some GPU", software=False)) == "Some GPU"
