"""Greedy NMS as a loop of a MIL program, and what else the converter is taught."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from export.backends.coreml.convert import convert, save
from export.backends.coreml.translation import OpaqueNMS, build_nms, hide_nms, translations
from export.core.methods import Method
from export.mil.executor import MilFunction, read_functions
from minivlm.ops import NMS, nms
from minivlm.quiet import quiet
from tests.export.mil.programs import saved

BOXES, KEPT, IOU = 24, 10, 0.5


@pytest.fixture(scope="module")
def loop(tmp_path_factory):
    """NMS of 24 boxes to 10, read back from a saved package."""

    def make(mb):
        return lambda boxes, scores: build_nms(boxes, scores, IOU, KEPT, "nms")

    path = tmp_path_factory.mktemp("nms") / "nms.mlpackage"
    saved([((BOXES, 4), "fp32"), ((BOXES,), "fp32")], make, path)
    with quiet():
        function = MilFunction(read_functions(path)["main"])
    return lambda boxes, scores: function.run({"boxes": boxes, "scores": scores}).values()


def boxes_of(seed: int, spread: float) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    corners = torch.rand(BOXES, 2, generator=generator) * spread
    sizes = torch.rand(BOXES, 2, generator=generator) * 60
    scores = torch.randperm(BOXES, generator=generator).float()
    return torch.cat([corners, corners + sizes], dim=1), scores


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from([5.0, 40.0, 400.0]), st.integers(0, BOXES))
def test_the_loop_keeps_what_greedy_nms_keeps(loop, seed, spread, removed):
    """From boxes that nearly all overlap to boxes that do not; `nms` is the definition, step by step."""
    boxes, scores = boxes_of(seed, spread)
    scores[:removed] = float("-inf")
    expected, expected_valid = nms(boxes, scores, IOU, KEPT)
    indices, valid = loop(boxes, scores)
    assert valid.tolist() == expected_valid.tolist()
    assert indices.tolist() == expected.tolist()


def test_a_chain_of_suppressions_takes_as_many_rounds_as_it_needs(loop):
    """Every box overlaps its neighbours only, so that each one's fate hangs on all before it."""
    starts = torch.arange(BOXES) * 10.0
    boxes = torch.stack([starts, torch.zeros(BOXES), starts + 35.0, torch.ones(BOXES)], dim=1)  # IoU 25 / 45, 15 / 55
    scores = torch.arange(BOXES, 0, -1).float()
    indices, _ = loop(boxes, scores)
    assert indices.tolist() == list(range(0, 2 * KEPT, 2))


def test_empty_boxes_overlap_nothing(loop):
    boxes = torch.full((BOXES, 4), 7.0)
    indices, valid = loop(boxes, torch.arange(BOXES, 0, -1).float())
    assert indices.tolist() == list(range(KEPT))
    assert valid.all()


class TestFewerBoxesThanRows:
    def test_the_rest_is_filled_as_the_definition_fills_it(self, tmp_path):
        def make(mb):
            return lambda boxes, scores: build_nms(boxes, scores, IOU, 5, "nms")

        path = saved([((3, 4), "fp32"), ((3,), "fp32")], make, tmp_path / "few.mlpackage")
        boxes = torch.tensor([[0.0, 0, 10, 10], [1, 0, 11, 10], [50, 50, 60, 60]])
        scores = torch.tensor([0.1, 0.9, 0.5])
        with quiet():
            indices, valid = MilFunction(read_functions(path)["main"]).run({"boxes": boxes, "scores": scores}).values()
        assert indices.tolist() == [1, 2, 0, 0, 0]
        assert valid.tolist() == [True, True, False, False, False]


def test_hidden_nms_computes_the_same_and_keeps_its_place():
    module = nn.Sequential(nn.Identity(), NMS(iou_threshold=IOU, max_output=KEPT))
    hide_nms(module)
    hidden = module[1]
    assert isinstance(hidden, OpaqueNMS)
    boxes, scores = boxes_of(0, 40.0)
    for given_part, expected in zip(hidden(boxes, scores), nms(boxes, scores, IOU, KEPT), strict=True):
        assert torch.equal(given_part, expected)


def test_the_converter_s_table_is_as_before_afterwards():
    with quiet():
        from coremltools.converters.mil.frontend.torch.torch_op_registry import _TORCH_OPS_REGISTRY as registry

    before = dict(registry.name_to_func_mapping)
    with translations():
        assert registry.get_func("minivlm::greedy_nms") is not None
    assert registry.name_to_func_mapping == before


class WholeNumbers(nn.Module):
    """What the converter itself turns into floats, or does not know."""

    def forward(self, x: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Count, divide and choose."""
        above = (x[:, None] > torch.tensor([0.0, 1.0])).sum(dim=1)
        third = torch.div(numbers, 3, rounding_mode="floor")
        both = (x > 0.0) & (x < 1.0)
        return x.index_select(0, above), x.index_select(0, third), torch.where(both, x, -1.0)


def test_counts_and_quotients_stay_whole_and_numbers_are_chosen(tmp_path):
    inputs = {"x": torch.tensor([-0.5, 0.5, 1.5, 2.5]), "numbers": torch.tensor([0, 5, 8, 11])}
    method = Method("main", WholeNumbers().eval(), inputs, ("counted", "divided", "chosen"))
    with quiet():
        save(convert(method, "fp32"), tmp_path / "whole.mlpackage")
        function = MilFunction(read_functions(tmp_path / "whole.mlpackage")["main"])
    results = [result.tolist() for result in function.run(inputs).values()]
    assert results == [[-0.5, 0.5, 1.5, 1.5], [-0.5, 0.5, 1.5, 2.5], [-1.0, 0.5, -1.0, -1.0]]
