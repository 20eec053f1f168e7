"""A graph of XNNPACK's delegate: what is put together again is what was taken apart, floats to the bit."""

import struct

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from export.backends.executorch.watching import graphs_of
from export.backends.executorch.xnnpack_graph import XnnGraph, float_of, halves
from tests.export.backends.executorch.built import BuiltFile, built, parts


@pytest.fixture(scope="module")
def made() -> BuiltFile:
    return built(parts(), "int8")


@given(st.floats(width=32, allow_nan=False))
def test_bits_are_read_as_the_float_that_they_are(number):
    (bits,) = struct.unpack("<I", struct.pack("<f", number))
    assert float_of(bits) == number


def test_a_graph_comes_back_as_it_was(made):
    for graph in graphs_of(made.file, "forward").values():
        again = XnnGraph.of(graph.payload, graph.shared)
        assert again == graph
        assert graph.nodes


def test_a_scale_smaller_than_six_digits_keeps_its_bits(made):
    graph = next(iter(graphs_of(made.file, "forward").values()))
    number = next(place for place, one in enumerate(graph.held["xvalues"]) if "zero_point" in str(one))
    held = graph.held["xvalues"][number]["xvalue_union"]["quant_params"]
    (held["scale"],) = struct.unpack("<I", struct.pack("<f", 1.25e-9))
    again = XnnGraph.of(graph.payload, graph.shared)
    assert again.scale(number)[0] == float(np.float32(1.25e-9))


def test_the_low_half_of_a_byte_comes_first():
    assert halves(torch.tensor([[0x21, 0x43]], dtype=torch.uint8)).tolist() == [[1, 2, 3, 4]]
