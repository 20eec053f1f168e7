"""The TEE region proposal network: two 1x1 convolutions, anchors, one selection and one NMS over all levels.

MiniVLM section 3.1 gives the two convolutions; three anchors a cell and 300 proposals are those of
`configs/e2e_faster_rcnn_efficient_det_tb.yaml` in amsword/maskrcnn-benchmark.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from minivlm.ops import NMS, BoxCoder, clip_boxes, nonempty
from minivlm.vision.regions import check_one_picture


@dataclass(frozen=True, kw_only=True)
class RPNConfig:
    """Proposal settings.

    Attributes:
        strides: Pixels per cell of each level.
        anchor_sizes: Square root of the anchors' area in pixels, one a level.
        aspect_ratios: Height over width of the anchors at every cell.
        pre_nms: Best anchors of all levels that go into NMS. That file takes 1000 of every level; as the 300 best
            survivors are kept over all levels, 1000 over all gives the same proposals whenever 300 of them survive.
        proposals: Proposals kept.
        iou_threshold: NMS threshold; boxes of different levels do not suppress each other.
    """

    strides: tuple[int, ...] = (4, 8, 16, 32, 64)
    anchor_sizes: tuple[int, ...] = (32, 64, 128, 256, 512)
    aspect_ratios: tuple[float, ...] = (0.5, 1.0, 2.0)
    pre_nms: int = 1000
    proposals: int = 300
    iou_threshold: float = 0.7


class RPNHead(nn.Module):
    """Objectness and box deltas by one 1x1 convolution each, shared by all levels."""

    def __init__(self, channels: int, anchors: int) -> None:
        super().__init__()
        self.objectness = nn.Conv2d(channels, anchors, kernel_size=1)
        self.deltas = nn.Conv2d(channels, 4 * anchors, kernel_size=1)
        for layer in (self.objectness, self.deltas):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.constant_(layer.get_parameter("bias"), 0.0)

    def forward(self, levels: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Score every anchor of one picture.

        Args:
            levels: One (1, C, H, W) map a level.

        Returns:
            objectness: (anchors,) logits, ordered by level, row, column, anchor of the cell.
            deltas: (anchors, 4).

        Raises:
            ValueError: Several pictures; `each` takes them.
        """
        check_one_picture(levels[0])
        objectness = [self.objectness(level).permute(0, 2, 3, 1).reshape(-1) for level in levels]
        deltas = [self.deltas(level).permute(0, 2, 3, 1).reshape(-1, 4) for level in levels]
        return torch.cat(objectness), torch.cat(deltas)

    def each(self, levels: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Score every anchor of every picture of a batch.

        Args:
            levels: One (B, C, H, W) map a level.

        Returns:
            objectness: (B, anchors) logits, deltas: (B, anchors, 4), in the order of `forward`.
        """
        objectness = [self.objectness(level).permute(0, 2, 3, 1).flatten(1) for level in levels]
        deltas = [self.deltas(level).permute(0, 2, 3, 1).flatten(1) for level in levels]
        return torch.cat(objectness, dim=1), torch.cat(deltas, dim=1).unflatten(1, (-1, 4))


class Anchors:
    """Anchor boxes of given anchor numbers, computed from the number: no table of tens of thousands of boxes."""

    def __init__(self, config: RPNConfig, sizes: Sequence[tuple[int, int]]) -> None:
        """Take the (height, width) in cells of every level."""
        self.per_cell = len(config.aspect_ratios)
        counts = [height * width * self.per_cell for height, width in sizes]
        self.count = sum(counts)
        self.first = [sum(counts[:level]) for level in range(len(counts))]
        self.widths = [width for _, width in sizes]
        self.strides = config.strides
        self.shapes = [  # (width, height) by level, then ratio
            (size / math.sqrt(ratio), size * math.sqrt(ratio))
            for size in config.anchor_sizes
            for ratio in config.aspect_ratios
        ]

    def all_boxes(self, device: torch.device) -> Tensor:
        """Return every anchor in the order of `RPNHead`, (anchors, 4) xyxy pixels: what training matches."""
        boxes, _ = self.boxes(torch.arange(self.count, device=device))
        return boxes

    def boxes(self, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """Return the anchors with the given numbers.

        Args:
            numbers: (N,) int64 positions in the order of `RPNHead`.

        Returns:
            anchors: (N, 4) xyxy pixels, levels: (N,) int64.
        """
        device = numbers.device
        first = torch.tensor(self.first, device=device)
        levels = (numbers[:, None] >= first[1:]).sum(dim=1)
        within = numbers - first.index_select(0, levels)
        cell = torch.div(within, self.per_cell, rounding_mode="floor")
        width = torch.tensor(self.widths, device=device).index_select(0, levels)
        row = torch.div(cell, width, rounding_mode="floor")
        column = cell - row * width
        stride = torch.tensor(self.strides, device=device).index_select(0, levels)
        center = (torch.stack([column, row], dim=1) + 0.5) * stride[:, None]  # (N, 2) x, y
        shape_number = levels * self.per_cell + within - cell * self.per_cell
        half = 0.5 * torch.tensor(self.shapes, device=device).index_select(0, shape_number)
        return torch.cat([center - half, center + half], dim=1), levels


class ProposalSelector(nn.Module):
    """From the scored anchors of one picture to its best proposals."""

    def __init__(self, config: RPNConfig) -> None:
        super().__init__()
        self.config = config
        self.coder = BoxCoder()
        self.nms = NMS(iou_threshold=config.iou_threshold, max_output=config.proposals)

    def forward(
        self, objectness: Tensor, deltas: Tensor, sizes: Sequence[tuple[int, int]], extent: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Take the best anchors, decode and clip them, drop overlapping ones.

        Args:
            objectness: (anchors,) logits.
            deltas: (anchors, 4).
            sizes: (height, width) in cells of every level.
            extent: (2,) height and width in pixels of the photo within the network's input.

        Returns:
            proposals: (proposals, 4) xyxy pixels, by falling objectness.
            valid: (proposals,) bool; False for rows that only fill the fixed number.
        """
        scores, numbers = objectness.topk(min(self.config.pre_nms, objectness.shape[0]))
        boxes, levels = self.decode(numbers, deltas, sizes, extent)
        shifted = boxes + self._aside(levels, boxes, sizes)  # one NMS serves all levels
        indices, valid = self.nms(shifted, torch.where(nonempty(boxes), scores, float("-inf")))
        return boxes.index_select(0, indices), valid

    def decode(
        self, numbers: Tensor, deltas: Tensor, sizes: Sequence[tuple[int, int]], extent: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the (N, 4) boxes, within the photo, and the (N,) levels of anchors by their (N,) numbers."""
        anchors, levels = Anchors(self.config, sizes).boxes(numbers)
        return clip_boxes(self.coder.decode(deltas.index_select(0, numbers), anchors), extent), levels

    @torch.no_grad()
    def each(
        self, objectness: Tensor, deltas: Tensor, sizes: Sequence[tuple[int, int]], extents: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Select the proposals of every picture of a batch; they are constants, through which no gradient flows.

        Args:
            objectness: (B, anchors) logits.
            deltas: (B, anchors, 4).
            sizes: (height, width) in cells of every level.
            extents: (B, 2) height and width in pixels of each photo.

        Returns:
            (B, proposals, 4) and (B, proposals), of each picture what `forward` gives.
        """
        scores, numbers = objectness.topk(min(self.config.pre_nms, objectness.shape[1]), dim=1)
        anchors, levels = Anchors(self.config, sizes).boxes(numbers.flatten())
        moves = deltas.gather(1, numbers[:, :, None].expand(-1, -1, 4)).flatten(0, 1)
        boxes = clip_boxes(self.coder.decode(moves, anchors).unflatten(0, numbers.shape), extents)
        aside = self._aside(levels, boxes, sizes).unflatten(0, numbers.shape)
        indices, valid = self.nms.each(boxes + aside, torch.where(nonempty(boxes), scores, float("-inf")))
        return boxes.gather(1, indices[:, :, None].expand(-1, -1, 4)), valid

    def _aside(self, levels: Tensor, boxes: Tensor, sizes: Sequence[tuple[int, int]]) -> Tensor:
        """Return (N, 4) shifts by (N,) levels: side by side, boxes of different levels never overlap."""
        aside = levels.to(boxes.dtype) * float(sizes[0][1] * self.config.strides[0])
        return torch.stack([aside, torch.zeros_like(aside)], dim=1).repeat(1, 2)
