"""Which bounds hold: a runtime's own before the precision's, those of trained weights before those of random ones."""

import math

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
def test_half_of_a_layer_s_weights_is_never_within_them(runtime: str, precision: str) -> None:
    """Arithmetic: features of half their size are 20 log10(2) = 6.02 dB from what they should be."""
    for random in (True, False):
        assert tolerances_of(runtime, precision, random=random).feature_sqnr > 20.0 * math.log10(2.0) + 1.0


def test_without_any_region_in_common_nothing_is_proven() -> None:
    """Of trained weights, too, whose bound of matched regions is low: 0 would let through what finds nothing."""
    assert all(tolerances.matched > 0.0 for table in (TOLERANCES, TRAINED) for tolerances in table.values())
