"""Cutting a method for an accelerator: what goes there, what must not, and that pieces compute what the whole does."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from export.backends.litert.accelerated import OnCPU
from export.backends.litert.convert import convert
from export.backends.litert.graph import constant, kind, module_of, parsed, signature_graph, tensor_name
from export.backends.litert.pieces import FLOAT32, Cut, Work, cut
from export.backends.litert.program import LiteRTProgram
from export.core.catalogue import regions_method
from export.core.methods import Method
from minivlm.images.photos import default_photo
from minivlm.weights.loading import create_model


@pytest.fixture(scope="module")
def detector(exported) -> Path:
    return exported("tee-tiny", "litert").artifact


@pytest.fixture(scope="module")
def parts(detector) -> Cut:
    return cut(parsed(detector.read_bytes()), "forward")


def kinds(content: bytes) -> Counter[str]:
    model = parsed(content)
    return Counter(kind(model, operator) for operator in model.subgraphs[0].operators)


def activations(content: bytes) -> list[Any]:
    model = parsed(content)
    (graph,) = model.subgraphs
    return [tensor for index, tensor in enumerate(graph.tensors) if not constant(model, graph, index)]


class TestDetector:
    def test_all_of_the_work_is_in_three_pieces(self, parts):
        """Backbone with the RPN's convolutions, box head, attribute head: between them are top-k, NMS and gathers."""
        assert len(parts.accelerated) == 3
        assert parts.accelerated_macs == 1.0

    def test_pieces_take_turns(self, parts):
        assert [piece.accelerated for piece in parts.pieces] == [False, True, False, True, False, True, False]

    def test_on_the_accelerator_all_is_float_and_has_four_dimensions_at_most(self, parts):
        for piece in parts.accelerated:
            assert {int(tensor.type) for tensor in activations(piece.content)} == {FLOAT32}
            assert max(len(tensor.shape) for tensor in activations(piece.content)) <= 4

    def test_whatever_selects_or_reads_by_index_is_on_the_cpu(self, parts):
        index = {"TOPK_V2", "ARG_MAX", "GATHER", "NON_MAX_SUPPRESSION_V4", "EMBEDDING_LOOKUP", "CAST", "FLOOR"}
        accelerated = sum((kinds(piece.content) for piece in parts.accelerated), Counter())
        assert not index & set(accelerated)
        assert index < set(sum((kinds(piece.content) for piece in parts.pieces), Counter()))

    def test_nothing_has_too_many_dimensions(self, parts):
        assert parts.refused == ()

    def test_the_graph_is_cut_where_the_model_s_parts_meet(self, detector):
        """Two ways to the same cut: what operators compute, and the modules that they come from."""
        method, model = (
            regions_method("forward", create_model("tee-tiny"), None, default_photo()),
            parsed(detector.read_bytes()),
        )
        _, graph = signature_graph(model, "forward")
        work = Work(model, graph)
        accelerated = work.accelerated()
        modules = {one: module_of(tensor_name(graph, one.outputs[0])) for one in work.running if id(one) in accelerated}
        assert {name for name in modules.values() if not method.is_dense(name)} == set()

    def test_a_piece_holds_its_own_constants_only(self, parts, detector):
        total = sum(len(piece.content) for piece in parts.pieces)
        assert total < 1.2 * detector.stat().st_size

    def test_piece_by_piece_it_computes_what_the_whole_does(self, parts, detector):
        method = regions_method("forward", create_model("tee-tiny"), None, default_photo())
        known = dict(zip(parts.inputs.values(), (value.numpy() for value in method.example), strict=True))
        for piece in parts.pieces:
            known |= OnCPU(piece, threads=1)(known)
        whole = LiteRTProgram(detector, 1).run("forward", method.example)
        for name, expected in zip(method.outputs, whole, strict=True):
            given = torch.from_numpy(known[parts.outputs[name]]).to(expected.dtype)
            torch.testing.assert_close(given, expected, rtol=1e-4, atol=1e-4)


class Reading(nn.Module):
    """A convolution whose results say where to read, and go into another convolution as well."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(4, 4, 1)
        self.second = nn.Conv2d(4, 4, 1)
        self.last = nn.Linear(4, 4)

    def forward(self, image: Tensor) -> tuple[Tensor]:
        both = self.first(image).sigmoid()
        table = self.second(both)[0].flatten(1).T  # (64, 4)
        places = (both[0, 0].flatten()[:8] * 63.0).floor().to(torch.int64)
        return (self.last(table.index_select(0, places)),)


class TestIndexArithmetic:
    @pytest.fixture(scope="class")
    def parts(self) -> Cut:
        torch.manual_seed(0)
        method = Method("forward", Reading().eval(), {"image": torch.randn(1, 4, 8, 8)}, ("read",))
        return cut(parsed(convert([method])), "forward")

    def test_what_leads_to_an_index_is_computed_on_the_cpu(self, parts):
        accelerated = sum((kinds(piece.content) for piece in parts.accelerated), Counter())
        assert accelerated == {"CONV_2D": 2, "FULLY_CONNECTED": 1}  # no LOGISTIC

    def test_work_before_and_behind_it_is_accelerated(self, parts):
        assert len(parts.accelerated) == 3
        assert parts.accelerated_macs == 1.0
