"""BiFPN (Tan et al. 2020) over strides 4..64, with the levels and laterals of the TEE detector.

Differs from EfficientDet's (MiniVLM section 3.1; microsoft/GLIP `maskrcnn_benchmark/modeling/backbone/efficientdet.py`
with `start_from=2`): inputs start at stride 4, the one extra level, stride 64, is a max-pool of the stride-32 lateral
without a convolution, and second laterals exist for strides 8 and 16 only.
"""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn, ones, relu
from torch.nn import functional as F

FUSION_EPSILON = 1e-4


def halve(feature: Tensor) -> Tensor:
    """Max-pool to half the size, rounded up."""
    return F.max_pool2d(feature, kernel_size=3, stride=2, padding=1)


class Enlarge(nn.Module):
    """Nearest-neighbour upsampling: a module, so that an exporter may put its runtime's form in this place.

    A map of 2n - 1 cells is pooled to n, and has to come back from n. Of n cells, cell i of 2n - 1 takes
    floor(i n / (2n - 1)), which is floor(i / 2): n / (2n - 1) is 1/2 and less than 1/(2i) more. That is what doubling
    and leaving out the last cell gives, and runtimes agree on doubling only: LiteRT takes other cells at a factor of
    (2n - 1) / n, and Core ML's upsampling knows no size.
    """

    def forward(self, feature: Tensor, like: Tensor) -> Tensor:
        """Enlarge a (B, C, H, W) map to the size of another, which is 2H x 2W or a row or column less."""
        doubled = F.interpolate(feature, size=[2 * side for side in feature.shape[2:]], mode="nearest")
        return cropped(doubled, like)


def cropped(doubled: Tensor, like: Tensor) -> Tensor:
    """Cut a (B, C, H, W) map to the size of another, where it is larger at all."""
    # Not always: tracing turns a slice of all into an alias, which delegates leave outside.
    return doubled if doubled.shape == like.shape else doubled[:, :, : like.shape[2], : like.shape[3]]


def _batch_norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


def _lateral(in_channels: int, channels: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(in_channels, channels, kernel_size=1), _batch_norm(channels))


class WeightedSum(nn.Module):
    """Sum of maps with learned positive weights that add up to just below 1 ("fast normalized fusion")."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(ones(inputs))

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Add maps of one shape."""
        weight = relu(self.weight)
        return weighted_sum(features, (weight / (weight.sum() + FUSION_EPSILON)).unbind(0))

    def frozen(self) -> "FrozenSum":
        """Return the same sum with the weights as numbers of the graph instead of tensors computed in it."""
        weight = relu(self.weight.detach())
        return FrozenSum((weight / (weight.sum() + FUSION_EPSILON)).tolist())


class FrozenSum(nn.Module):
    """`WeightedSum` for artifacts, whose weights never change again."""

    def __init__(self, weights: Sequence[float]) -> None:
        super().__init__()
        self.weights = tuple(weights)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Add maps of one shape."""
        return weighted_sum(features, self.weights)


def weighted_sum(features: Sequence[Tensor], weights: Sequence[Any]) -> Tensor:
    """Add maps of one shape, each times a number or a tensor that broadcasts to it."""
    fused = features[0] * weights[0]
    for feature, weight in zip(features[1:], weights[1:], strict=True):
        fused = fused + feature * weight
    return fused


class FusionNode(nn.Module):
    """Weighted sum of maps of one size, swish, depthwise 3x3, pointwise 1x1, BatchNorm."""

    def __init__(self, inputs: int, channels: int) -> None:
        super().__init__()
        self.fusion: nn.Module = WeightedSum(inputs)
        self.depthwise = nn.Conv2d(channels, channels, kernel_size=3, padding=1, groups=channels, bias=False)
        self.pointwise = nn.Conv2d(channels, channels, kernel_size=1)
        self.norm = _batch_norm(channels)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Fuse maps of shape (B, C, H, W) into one of the same shape."""
        return self.norm(self.pointwise(self.depthwise(F.silu(self.fusion(features)))))


class BiFPNCell(nn.Module):
    """One top-down and one bottom-up pass over five levels: eight nodes, 19 fusion weights."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.enlarge: nn.Module = Enlarge()
        self.top_down = nn.ModuleList(FusionNode(2, channels) for _ in range(4))  # strides 32, 16, 8, 4
        self.bottom_up = nn.ModuleList(FusionNode(inputs, channels) for inputs in (3, 3, 3, 2))  # 8, 16, 32, 64

    def forward(self, levels: Sequence[Tensor], skips: Sequence[Tensor]) -> list[Tensor]:
        """Fuse.

        Args:
            levels: Five maps (B, C, H, W), strides 4..64: the inputs of the top-down pass.
            skips: Four maps, strides 8..64: what the bottom-up nodes take directly from the cell's input.

        Returns:
            Five maps of the same shapes as `levels`.
        """
        down = [levels[-1]]  # from stride 64 to stride 4
        for node, level in zip(self.top_down, reversed(levels[:-1]), strict=True):
            down.append(node([level, self.enlarge(down[-1], level)]))
        middle = down[::-1]  # strides 4..64
        outputs = [middle[0]]
        for index, (node, skip) in enumerate(zip(self.bottom_up, skips, strict=True), start=1):
            pooled = halve(outputs[-1])
            is_top = index == len(skips)  # the stride-64 node has no top-down map of its own
            outputs.append(node([skip, pooled] if is_top else [skip, middle[index], pooled]))
        return outputs


class BiFPN(nn.Module):
    """Laterals to one width, then a stack of cells.

    Args:
        in_channels: Channels of the four backbone maps, strides 4..32.
        channels: Width of every level.
        cells: Number of cells.
    """

    def __init__(self, in_channels: Sequence[int], channels: int, cells: int) -> None:
        super().__init__()
        self.laterals = nn.ModuleList(_lateral(width, channels) for width in in_channels)
        self.skip_laterals = nn.ModuleList(_lateral(width, channels) for width in in_channels[1:3])  # strides 8, 16
        self.cells = nn.ModuleList(BiFPNCell(channels) for _ in range(cells))

    def last_nodes(self) -> list[FusionNode]:
        """Return the nodes whose results the BiFPN returns, strides 4..64."""
        cell: Any = self.cells[-1]
        return [cell.top_down[-1], *cell.bottom_up]

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Map four backbone maps (strides 4..32) to five levels (B, C, H, W) of strides 4..64."""
        levels = [lateral(feature) for lateral, feature in zip(self.laterals, features, strict=True)]
        levels.append(halve(levels[-1]))
        second = [lateral(feature) for lateral, feature in zip(self.skip_laterals, features[1:3], strict=True)]
        skips = [*second, *levels[3:]]
        for cell in self.cells:
            levels = cell(levels, skips)
            skips = levels[1:]
        return levels
