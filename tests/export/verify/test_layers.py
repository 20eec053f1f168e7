"""The layer that goes wrong is the first whose output falls below the bound, and no more layers are run than needed."""

import torch

from export.core.exporter import LayerOutput
from export.core.methods import Method
from export.verify.layers import weakest_layer
from export.verify.tolerances import LAYER_SQNR

SIGNAL = torch.ones(1000)


def output(layer: str, decibels: float) -> LayerOutput:
    """A layer whose error is exactly so far below its output: 10 log10(1 / e^2) dB for an error of e everywhere."""
    return LayerOutput(layer, SIGNAL, SIGNAL + 10 ** (-decibels / 20))


def method(detector: bool = False) -> Method:
    return Method("forward", torch.nn.Identity(), {"x": SIGNAL}, ("y",), detector=detector)


def test_is_the_first_below_the_tolerance():
    outputs = [output("a", LAYER_SQNR + 1), output("b", LAYER_SQNR - 1), output("c", LAYER_SQNR - 9)]
    assert weakest_layer(method(), outputs) == "b"


def test_is_none_where_all_keep_it():
    assert weakest_layer(method(), [output("a", LAYER_SQNR + 1), output("b", LAYER_SQNR + 9)]) is None


def test_is_one_whose_output_is_no_number():
    assert weakest_layer(method(), [LayerOutput("a", SIGNAL, SIGNAL * float("nan"))]) == "a"


def test_is_none_that_pads_with_infinity_on_both_sides():
    padded = torch.cat([SIGNAL, torch.full((3,), -torch.inf)])
    assert weakest_layer(method(), [LayerOutput("a", padded, padded.clone())]) is None


def test_is_never_one_whose_rows_may_have_changed_places():
    outputs = [output("detector.box_head.fc1", 0.0), output("detector.backbone.conv_stem", 0.0)]
    assert weakest_layer(method(detector=True), outputs) == "detector.backbone.conv_stem"


def test_a_layer_is_judged_by_what_it_gives_and_not_by_what_it_computes_on_the_way():
    """The mean that a normalisation takes away is nearly nothing, so that any noise is more."""
    outputs = [
        output("norm", 0.0),
        output("norm", LAYER_SQNR + 1),
        output("dense", LAYER_SQNR + 1),
        output("last", 0.0),
    ]
    assert weakest_layer(method(), outputs) == "last"


def test_asks_for_no_more_than_the_output_behind_it():
    def outputs():
        yield output("a", 0.0)
        yield output("b", 0.0)
        raise AssertionError("ran on")

    assert weakest_layer(method(), outputs()) == "a"
