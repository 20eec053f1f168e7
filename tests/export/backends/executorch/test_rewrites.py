"""What ExecuTorch runs in place of a detector's parts computes the same and goes into the delegate."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from export.backends.executorch.rewrites import Doubling, JoinedHead, LaidOutSum, PenaltyNMS, for_executorch
from export.rewrites.modules import StagedSqueezeExcite, staged_mean
from minivlm.ops import NMS, nms, unrolled
from minivlm.quiet import quiet
from minivlm.vision.bifpn import Enlarge, FrozenSum
from minivlm.vision.rpn import RPNHead
from minivlm.weights.loading import create_model


def operators(module: nn.Module, *example: Tensor) -> list[str]:
    """What is left of a module once XNNPACK took its part, getters aside."""
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower

    with quiet():
        traced = torch.export.export(module.eval(), example)
        edge = to_edge_transform_and_lower({"forward": traced}, partitioner={"forward": [XnnpackPartitioner()]})
    nodes = edge.exported_program("forward").graph.nodes
    names = [str(node.target) for node in nodes if node.op == "call_function"]
    return [name for name in names if "getitem" not in name]


def boxes_and_scores(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Boxes on a coarse grid: some are equal, some empty, some IoUs hit a threshold; scores with ties and -inf."""
    generator = torch.Generator().manual_seed(seed)
    corners = torch.randint(0, 8, (count, 2), generator=generator)
    boxes = torch.cat([corners, corners + torch.randint(0, 5, (count, 2), generator=generator)], dim=1).float()
    scores = torch.randint(-4, 5, (count,), generator=generator).float()
    return boxes, torch.where(scores == -4.0, float("-inf"), scores)


class TestPenaltyNMS:
    @given(count=st.integers(1, 40), seed=st.integers(0, 10_000), threshold=st.sampled_from([0.25, 0.5, 0.7]))
    @settings(deadline=None, max_examples=60)
    def test_keeps_what_the_definition_keeps(self, count, seed, threshold):
        boxes, scores = boxes_and_scores(count, seed)
        kept = PenaltyNMS(NMS(iou_threshold=threshold, max_output=12))(boxes, scores)
        indices, valid = nms(boxes, scores, threshold, 12, unrolled)
        assert torch.equal(kept[1], valid)
        assert torch.equal(kept[0][valid], indices[valid])
        assert not kept[0][~valid].any()

    def test_the_smallest_excess_over_the_threshold_counts(self):
        # Width w beside width 1: the IoU is w, and the float after 0.5 is the first that is more than 0.5.
        for width, survivors in ((0.5, 2), (torch.nextafter(torch.tensor(0.5), torch.tensor(1.0)).item(), 1)):
            boxes = torch.tensor([[0.0, 0.0, 1.0, 1.0], [0.0, 0.0, width, 1.0]])
            _, valid = PenaltyNMS(NMS(iou_threshold=0.5, max_output=2))(boxes, torch.tensor([2.0, 1.0]))
            assert valid.sum() == survivors

    def test_the_overlaps_of_all_pairs_stay_in_the_delegate(self):
        model = PenaltyNMS(NMS(iou_threshold=0.5, max_output=3))
        left = operators(model, *boxes_and_scores(16, 0))
        assert not {"aten.gt.Tensor", "aten.logical_or.default"} & set(left)
        assert sum("executorch_call_delegate" in name for name in left) >= 1


class TestDoubling:
    @pytest.mark.parametrize("channels", [8, 64, 88, 112, 160])  # the BiFPN's in tee-tiny and tee-0..3
    @pytest.mark.parametrize("size", [(4, 6), (7, 9), (8, 3)])
    def test_equals_nearest_neighbours_exactly(self, channels, size):
        feature = torch.randn(1, channels, *((side + 1) // 2 for side in size))
        like = torch.zeros(1, channels, *size)
        assert torch.equal(Doubling(channels)(feature, like), Enlarge()(feature, like))

    def test_stays_in_one_delegate_with_the_convolutions_around_it(self):
        class Between(nn.Module):
            def __init__(self, enlarge: nn.Module) -> None:
                super().__init__()
                self.before, self.enlarge, self.after = nn.Conv2d(3, 8, 1), enlarge, nn.Conv2d(8, 2, 1)

            def forward(self, feature: Tensor, like: Tensor) -> Tensor:
                return self.after(self.enlarge(self.before(feature), like))

        example = torch.randn(1, 3, 4, 5), torch.zeros(1, 8, 7, 10)
        assert len(operators(Between(Doubling(8)), *example)) == 1
        assert len(operators(Between(Enlarge()), *example)) == 3  # two delegates and what tore them apart


@pytest.mark.parametrize("size", [(24, 48), (61, 61)])  # 61: prime, and more cells than are added up at once
def test_means_over_whole_maps_stay_in_the_delegate(size):
    class Mean(nn.Module):
        def forward(self, feature: Tensor) -> Tensor:
            return staged_mean(feature)

    assert len(operators(Mean(), torch.randn(1, 4, *size))) == 1


def test_a_detector_has_its_parts_replaced_and_its_original_keeps_them():
    model = create_model("tee-tiny")
    kinds = [type(module) for module in for_executorch(model).modules()]
    assert (kinds.count(PenaltyNMS), kinds.count(Doubling), kinds.count(NMS), kinds.count(Enlarge)) == (2, 1, 0, 0)
    assert StagedSqueezeExcite in kinds
    original = [type(module) for module in model.modules()]
    assert (original.count(NMS), original.count(Enlarge)) == (2, 1)


def test_a_joined_head_gives_what_the_head_gives_exactly():
    torch.manual_seed(0)
    head = RPNHead(8, 3)
    levels = [torch.randn(1, 8, side, side + 1) for side in (5, 3, 1)]
    for joined, apart in zip(JoinedHead(head)(levels), head(levels), strict=True):
        assert torch.equal(joined, apart)


def test_a_sum_that_keeps_the_layout_gives_what_the_sum_gives_exactly():
    shares = (0.75, 0.25)
    maps = [torch.randn(1, 8, 5, 7) for _ in shares]
    assert torch.equal(LaidOutSum(FrozenSum(shares))(maps), FrozenSum(shares)(maps))
