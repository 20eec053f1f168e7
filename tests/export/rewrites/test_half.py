"""Parts in float16: what they take and give, what is in them, and what of a detector stays outside."""

import copy

import pytest
import torch
from torch import Tensor, nn

from export.rewrites.half import HalfPart, computing_half
from minivlm.vision.regions import DENSE_PARTS
from minivlm.weights.loading import create_model


class Lookup(nn.Module):
    """Takes whole numbers beside floats, and gives a list, a mask and whole numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(5, 4)

    def forward(self, ids: Tensor, rows: list[Tensor]) -> tuple[list[Tensor], Tensor, Tensor]:
        found = self.table(ids) * rows[0]
        return [found], found > 0, ids


class TestHalfPart:
    def test_takes_and_gives_float32_and_rounds_what_is_between_to_float16(self):
        # 2048 + 1 is no float16: its neighbours are 2048 and 2050, and the even one is 2048 (IEEE 754).
        layer = nn.Linear(2, 1)
        with torch.no_grad():
            layer.weight.fill_(1.0)
            layer.bias.zero_()
        given = HalfPart(layer)(torch.tensor([[2048.0, 1.0]]))
        assert given.dtype is torch.float32
        assert given.item() == 2048.0

    def test_its_weights_are_float16(self):
        assert {weight.dtype for weight in HalfPart(nn.Linear(3, 3)).parameters()} == {torch.float16}

    def test_whole_numbers_masks_and_lists_pass(self):
        part, ids = Lookup(), torch.tensor([3, 1])
        expected = part.table.weight[ids].detach().half().float()
        (found,), mask, same = HalfPart(part)(ids, [torch.ones(2, 4)])
        assert torch.equal(found, expected)
        assert (found.dtype, mask.dtype, same.dtype) == (torch.float32, torch.bool, torch.int64)


class TestComputingHalf:
    @pytest.fixture
    def detector(self) -> nn.Module:
        return computing_half(copy.deepcopy(create_model("tee-tiny").eval()), detector=True)

    def test_of_a_detector_the_networks_compute_in_it_and_nothing_else_has_weights(self, detector):
        for name, weight in detector.named_parameters():
            assert weight.dtype is torch.float16, name
        assert [name for name, child in detector.named_children() if isinstance(child, HalfPart)] == list(DENSE_PARTS)

    def test_boxes_are_still_told_in_float32(self, detector):
        # Pixels beyond 2,048 have no odd numbers in float16. Here the selector and RoIAlign get float32.
        seen = {}
        detector.selector.register_forward_pre_hook(lambda _, inputs: seen.update(deltas=inputs[1].dtype))
        regions = detector(torch.zeros(1, 3, 128, 128), torch.tensor([128.0, 128.0]))
        assert seen == {"deltas": torch.float32}
        assert regions.boxes.dtype is torch.float32

    def test_of_a_transformer_everything_does(self):
        module = computing_half(create_model("minilm-tiny"), detector=False)
        wide = [norm for norm in module.modules() if isinstance(norm, nn.LayerNorm)]
        of_norms = {id(weight) for norm in wide for weight in norm.parameters()}
        assert {weight.dtype for weight in module.parameters() if id(weight) not in of_norms} == {torch.float16}

    def test_but_layer_norms_are_float32(self):
        module = computing_half(create_model("minilm-tiny"), detector=False)
        norms = [norm for norm in module.modules() if isinstance(norm, nn.LayerNorm)]
        assert norms
        assert {weight.dtype for norm in norms for weight in norm.parameters()} == {torch.float32}
