"""Equivalent forms of a detector's parts for ExecuTorch, whose XNNPACK delegate takes float arithmetic and little else.

Whatever a delegate cannot take runs in portable kernels on one core and tears the delegate in two, with every map laid
out anew on both sides of the tear. Times here are of tee-0 at 512 x 512 on two cores.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from export.rewrites.modules import prepared, replace_nms
from minivlm.ops import NMS, pairwise_iou, scanned
from minivlm.vision.bifpn import BiFPNCell, FrozenSum, FusionNode, cropped, weighted_sum
from minivlm.vision.regions import check_one_picture
from minivlm.vision.rpn import RPNHead
from minivlm.vision.tee import TEE

PENALTY = 1e30
"""Taken off a score for each unit of IoU above the threshold. The smallest step of a float32 between 0.5 and 1 is 3e-8,
so that the least of excesses still costs 1e22."""
GONE = -1e20
"""Scores are well above it; those that a penalty was taken off are below."""


def for_executorch(module: nn.Module) -> nn.Module:
    """Return a copy of a model in the form that XNNPACK runs fastest; see `prepared` for what it keeps."""
    module = for_accelerators(module)
    for parent in list(module.modules()):
        if isinstance(parent, BiFPNCell):
            parent.enlarge = Doubling(parent.channels)
        elif isinstance(parent, FusionNode) and isinstance(parent.fusion, FrozenSum):
            parent.fusion = LaidOutSum(parent.fusion)
        elif isinstance(parent, TEE):
            parent.add_module("rpn", JoinedHead(parent.rpn))
    return module


def for_accelerators(module: nn.Module) -> nn.Module:
    """Return a copy of a model whose dense part accelerators know all operators of, upsampling among them."""
    module = prepared(module, repeat=scanned)
    replace_nms(module, PenaltyNMS)
    return module


class Doubling(nn.Module):
    """Nearest-neighbour upsampling to twice the size, as a transposed convolution that copies each cell four times.

    XNNPACK has no such operator: the twelve portable ones and the eleven tears of the delegate around them cost more
    than all convolutions of the BiFPN. The file has copies in its place, see `export.backends.executorch.layouts`.
    """

    GROUP = 32

    copies: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        width = max(divisor for divisor in range(1, self.GROUP + 1) if channels % divisor == 0)
        self.groups = channels // width
        identity = torch.eye(width).repeat(self.groups, 1)  # (channels, width)
        self.register_buffer("copies", identity[:, :, None, None].expand(-1, -1, 2, 2).contiguous(), persistent=False)

    def forward(self, feature: Tensor, like: Tensor) -> Tensor:
        """Enlarge a (1, C, H, W) map to the size of another, which is 2H x 2W or a row or column less."""
        return cropped(F.conv_transpose2d(feature, self.copies, stride=2, groups=self.groups), like)


class LaidOutSum(nn.Module):
    """`FrozenSum` with weights of four dimensions, so that maps stay as they lie.

    ExecuTorch computes what it reads in one layout, and only what has four dimensions can lie channels last. Beside a
    number, each map of a fusion was laid out anew before its product and the sum once more behind it, 74 times in all.
    """

    def __init__(self, original: FrozenSum) -> None:
        super().__init__()
        for index, weight in enumerate(original.weights):
            self.register_buffer(f"weight{index}", torch.full((1, 1, 1, 1), weight), persistent=False)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Add (1, C, H, W) maps of one shape."""
        return weighted_sum(features, list(self.buffers()))


class JoinedHead(nn.Module):
    """`RPNHead` with both results side by side until they are rows.

    Apart, the partitioner put the deltas' convolutions into a delegate behind the selection of anchors, and all levels
    were laid out anew on the way there and in it.
    """

    def __init__(self, original: RPNHead) -> None:
        super().__init__()
        self.objectness, self.deltas = original.objectness, original.deltas

    def forward(self, levels: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """See `RPNHead`."""
        check_one_picture(levels[0])
        anchors = self.objectness.out_channels
        maps = [torch.cat([self.objectness(level), self.deltas(level)], dim=1) for level in levels]
        rows = torch.cat([both.permute(0, 2, 3, 1).flatten(0, 2) for both in maps])  # (cells, 5 anchors)
        return rows[:, :anchors].reshape(-1), rows[:, anchors:].reshape(-1, 4)


class PenaltyNMS(nn.Module):
    """`minivlm.ops.nms` in float arithmetic: what a kept box overlaps loses so much score that it never comes up again.

    Masks are no floats, so that comparing a million IoUs (3.4 ms) and the logic of three hundred steps (4.4 ms) stayed
    outside XNNPACK. As penalties the first runs inside, and a step is one subtraction (1.0 ms for all).
    """

    def __init__(self, original: NMS) -> None:
        super().__init__()
        self.iou_threshold = original.iou_threshold
        self.max_output = original.max_output
        self.repeat = original.repeat

    def forward(self, boxes: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
        """See `minivlm.ops.nms`; scores must be above -1e20, or -inf."""
        # A difference of floats is above 0 exactly if the first is the larger.
        excess = (pairwise_iou(boxes) - self.iou_threshold).clamp(min=0.0)
        penalties = excess * PENALTY  # (N, N)

        def step(left: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
            best = left.argmax(dim=0, keepdim=True)  # (1,)
            top = left.index_select(0, best)
            rest = left - penalties.index_select(0, best)[0]
            return rest.scatter(0, best, float("-inf")), (best, top)  # an empty box does not overlap itself

        indices, tops = self.repeat(step, scores, self.max_output)
        valid = tops[:, 0] > GONE
        return torch.where(valid, indices[:, 0], 0), valid
