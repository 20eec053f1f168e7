"""Which bounds hold: a runtime's own before the precision's, those of trained weights before those of random ones."""

from dataclasses import asdict

import pytest

from export.core.format import PRECISIONS
from export.core.formats import FORMATS
from export.verify.tolerances import TOLERANCES, TRAINED, tolerances_of


def test_random_weights_have_the_common_bounds() -> None:
    assert tolerances_of("litert", "int8", random=True) == TOLERANCES["int8"]
    assert tolerances_of("onnx", "int8", random=True) == TOLERANCES["onnx int8"]


def test_trained_weights_have_their_own_where_there_are_any() -> None:
    assert tolerances_of("litert", "int8", random=False) == TRAINED["int8"]
    assert tolerances_of("onnx", "int8", random=False) == TRAINED["onnx int8"]
    assert tolerances_of("onnx", "fp32", random=False) == TOLERANCES["fp32"]


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("runtime", FORMATS)
def test_of_trained_weights_no_number_is_looser_in_what_tells(runtime: str, precision: str) -> None:
    """Features, proposals and scores; regions and tags scatter with every box of little score."""
    found = [asdict(tolerances_of(runtime, precision, random=random)) for random in (True, False)]
    for name in ("proposals", "feature_cosine", "tensor_sqnr", "top_1"):
        assert found[1][name] >= found[0][name]
    assert found[1]["score"] <= found[0]["score"]
