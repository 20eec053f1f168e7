"""TEE, the two-stage efficient feature extractor: a photo in, its 50 best regions out (MiniVLM section 3.1).

The whole way is one static graph, box decoding, NMS and RoIAlign included, so an artifact needs no code around it.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from minivlm.ops import NMS, BoxCoder, clip_boxes, nonempty, roi_align, roi_align_each
from minivlm.vision import random_weights
from minivlm.vision.bifpn import BiFPN, WeightedSum
from minivlm.vision.box_head import AttributeHead, BoxHead, with_attributes
from minivlm.vision.efficientnet import EfficientNetFeatures
from minivlm.vision.regions import Regions, check_one_picture, regions_of
from minivlm.vision.rpn import ProposalSelector, RPNHead
from minivlm.vision.tee_config import TEEConfig

CANONICAL_SIZE = 224.0
"""The RoI size in pixels that reads the map of stride 16 (Lin et al. 2017, equation 1)."""

RANDOM_SHIFT = 1.0
"""Bias of every BatchNorm of a random TEE: it puts swish where it is nearly straight. At 0 each swish stretches the
contrast of a contrasty photo and flattens a dull one, forty times over, and features drift apart a thousandfold.
"""
RANDOM_GAINS = (1.0, 1.25, 1.5, 1.75, 2.0)
"""Spread of random levels, strides 4..64: with equal ones, 99 of 100 best anchors would be the smallest."""


class TEEBackbone(nn.Module):
    """EfficientNet and BiFPN: the "Backbone" column of Tables 4 and 5."""

    def __init__(self, config: TEEConfig) -> None:
        super().__init__()
        self.efficientnet = EfficientNetFeatures(config.efficientnet)
        self.bifpn = BiFPN(self.efficientnet.channels, config.channels, config.cells)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Map (B, 3, H, W) normalised RGB to five levels (B, C, H / stride, W / stride), strides 4..64."""
        return self.bifpn(self.efficientnet(image))


class TEE(nn.Module):
    """The detector.

    On a device photos come one at a time, so that is what `forward` takes and what artifacts are made of. A batch goes
    through the same layers by the methods named "each". Training composes them: `backbone`, `rpn.each`, `selector.each`
    for the proposals, `pool_each`, `box_head` on the rows of all pictures, `attribute_head` on those of objects.
    """

    def __init__(self, config: TEEConfig) -> None:
        super().__init__()
        self.config = config
        self.backbone = TEEBackbone(config)
        self.rpn = RPNHead(config.channels, len(config.rpn.aspect_ratios))
        self.box_head = BoxHead(config.channels * config.pool_size**2, config.feature_dim, config.classes)
        self.attribute_head = (
            AttributeHead(
                config.feature_dim, classes=config.classes, embedding=256, hidden=512, attributes=config.attributes
            )
            if config.attributes
            else None
        )
        self.selector = ProposalSelector(config.rpn)
        self.coder = BoxCoder(weights=(10.0, 10.0, 5.0, 5.0))
        self.nms = NMS(iou_threshold=config.iou_threshold, max_output=config.regions)

    def forward(self, image: Tensor, extent: Tensor) -> Regions:
        """Find and describe regions.

        Args:
            image: (1, 3, H, W) float32, normalised as `config.pixels` says.
            extent: (2,) float32 height and width in pixels of the photo in the image's top-left corner.

        Returns:
            `Regions` with `config.regions` rows.

        Raises:
            ValueError: Several pictures; `detect_each` takes them.
        """
        regions, _ = self.detect(image, extent)
        return regions

    def detect(self, image: Tensor, extent: Tensor) -> tuple[Regions, Tensor]:
        """Find regions, and the (proposals, 4) xyxy that they came from, in which rows that only fill are empty."""
        features, class_logits, deltas, proposals, valid = self._describe(image, extent)
        regions = self.select(features, class_logits, deltas, proposals, valid, extent)
        return regions, torch.where(valid[:, None], proposals, 0.0)

    def classify(self, image: Tensor, extent: Tensor) -> tuple[Tensor, Tensor]:
        """Say what each proposal may be, before it is given one name.

        Args:
            image: See `forward`.
            extent: Likewise.

        Returns:
            boxes: (R, classes - 1, 4) xyxy pixels, of a proposal the same in all classes; probabilities:
            (R, classes - 1), 0 in rows that only fill.
        """
        _, class_logits, deltas, proposals, valid = self._describe(image, extent)
        boxes, probabilities = self.refine(deltas, proposals, extent), class_logits.softmax(dim=1)[:, 1:]
        there = valid & nonempty(boxes)
        return boxes[:, None].expand(*probabilities.shape, 4), torch.where(there[:, None], probabilities, 0.0)

    def _describe(self, image: Tensor, extent: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Return features, class logits and deltas of proposals, themselves, and which of them are valid."""
        check_one_picture(image)
        levels = self.backbone(image)
        proposals, valid = self.propose(levels, extent)
        return *self.box_head(self.pool(levels, proposals)), proposals, valid

    def detect_each(self, images: Tensor, extents: Tensor) -> list[Regions]:
        """Find the regions of every picture of a batch; `forward` gives the same for each alone.

        Args:
            images: (B, 3, H, W) float32, as for `forward`.
            extents: (B, 2) float32.
        """
        levels = self.backbone(images)
        objectness, deltas = self.rpn.each(levels)
        proposals, valid = self.selector.each(objectness, deltas, level_sizes(levels), extents)
        features, class_logits, deltas = self.box_head(self.pool_each(levels, proposals.unbind(0)))
        scores, tags = (part.view(valid.shape) for part in class_logits.softmax(dim=1)[:, 1:].max(dim=1))
        boxes = self.coder.decode(deltas, proposals.flatten(0, 1)).view(proposals.shape)
        boxes, features = clip_boxes(boxes, extents), features.unflatten(0, valid.shape)
        indices, kept = self.nms.each(boxes, self._ranks(boxes, scores, valid))
        each = zip(features, boxes, tags, scores, extents, indices, kept, strict=True)
        return [with_attributes(self.attribute_head, regions_of(*one)) for one in each]

    def propose(self, levels: Sequence[Tensor], extent: Tensor) -> tuple[Tensor, Tensor]:
        """Return (proposals, 4) xyxy pixels and their (proposals,) bool validity; see `ProposalSelector`."""
        objectness, deltas = self.rpn(levels)
        return self.selector(objectness, deltas, level_sizes(levels), extent)

    def pool(self, levels: Sequence[Tensor], proposals: Tensor) -> Tensor:
        """Return (R, C, P, P): each (R, 4) proposal read from the level that fits its size."""
        used = levels[: self.config.roi_levels]
        return roi_align(used, proposals, self.assign_levels(proposals), *self._reading)

    def pool_each(self, levels: Sequence[Tensor], boxes: Sequence[Tensor]) -> Tensor:
        """Read boxes of a batch from its levels.

        Args:
            levels: Five maps (B, C, H, W).
            boxes: (R, 4) xyxy pixels of each picture; the numbers may differ.

        Returns:
            (all R, C, P, P), picture after picture.
        """
        used = levels[: self.config.roi_levels]
        of_all = self.assign_levels(torch.cat(list(boxes)))
        return roi_align_each(used, boxes, of_all.split([len(own) for own in boxes]), *self._reading)

    @property
    def _reading(self) -> tuple[Sequence[int], int, int]:
        """Strides of the levels that RoIs read, cells an axis, samples a cell and axis."""
        config = self.config
        return config.rpn.strides[: config.roi_levels], config.pool_size, config.sampling_ratio

    def assign_levels(self, proposals: Tensor) -> Tensor:
        """Return the (R,) int64 level of (R, 4) xyxy boxes: floor(4 + log2(size / 224)) - 2, within the levels.

        Written as comparisons of areas, which need no logarithm; the 1e-6 is that of maskrcnn-benchmark's poolers.
        """
        size = proposals[:, 2:] - proposals[:, :2]
        area = size[:, :1] * size[:, 1:]  # (R, 1)
        bounds = [(CANONICAL_SIZE * (2.0 ** (level - 2) - 1e-6)) ** 2 for level in range(1, self.config.roi_levels)]
        return (area >= torch.tensor(bounds, device=area.device)).sum(dim=1)

    def select(
        self,
        features: Tensor,
        class_logits: Tensor,
        deltas: Tensor,
        proposals: Tensor,
        valid: Tensor,
        extent: Tensor,
    ) -> Regions:
        """Give each proposal its best class, refine its box, keep the best after one NMS over all classes.

        Args:
            features: (R, D).
            class_logits: (R, classes), background first.
            deltas: (R, 4).
            proposals: (R, 4) xyxy pixels.
            valid: (R,) bool.
            extent: (2,) height and width in pixels.

        Returns:
            Regions, those that are kept with what they are like.
        """
        scores, tags = class_logits.softmax(dim=1)[:, 1:].max(dim=1)
        boxes = self.refine(deltas, proposals, extent)
        indices, kept = self.nms(boxes, self._ranks(boxes, scores, valid))
        return with_attributes(self.attribute_head, regions_of(features, boxes, tags, scores, extent, indices, kept))

    def usable(self, boxes: Tensor, scores: Tensor, valid: Tensor) -> Tensor:
        """Return (..., R) bool: which (..., R, 4) boxes may be regions, by their scores and what they come from."""
        usable = valid & nonempty(boxes)
        return usable & (scores >= self.config.least_score) if self.config.least_score > 0.0 else usable

    def _ranks(self, boxes: Tensor, scores: Tensor, valid: Tensor) -> Tensor:
        """Return the (..., R) scores by which regions are kept, -inf for what is none."""
        return torch.where(self.usable(boxes, scores, valid), scores, float("-inf"))

    def refine(self, deltas: Tensor, proposals: Tensor, extent: Tensor) -> Tensor:
        """Apply (R, 4) deltas to (R, 4) proposals, within the photo."""
        return clip_boxes(self.coder.decode(deltas, proposals), extent)

    @torch.no_grad()
    def initialize(self, generator: torch.Generator) -> None:
        """Draw weights to start training from: He et al. (2015), even fusion, and outputs that say nothing yet.

        A pretrained backbone is loaded afterwards. Standard deviations of the outputs are maskrcnn-benchmark's.

        Args:
            generator: Source of the numbers, on the weights' device.
        """
        random_weights.draw_weights(self, generator)
        for part in self.modules():
            if isinstance(part, WeightedSum):
                nn.init.ones_(part.weight)
        for layer in (self.rpn.objectness, self.rpn.deltas, self.box_head.classifier):
            nn.init.normal_(layer.weight, std=0.01, generator=generator)
        nn.init.normal_(self.box_head.deltas.weight, std=0.001, generator=generator)

    @torch.no_grad()
    def randomize(self, generator: torch.Generator) -> None:
        """Give freshly initialised weights the statistics of trained ones on made-up photos.

        Without this every score is nearly the same, boxes never leave their anchors, and sorting, NMS and equality are
        tested and timed on ties. Objectness and class probabilities get a wide spread, boxes move by a tenth of
        their size.
        """
        height, width = (min(size, 256) for size in self.config.image_size)
        for module in self.backbone.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.bias.fill_(RANDOM_SHIFT)
        random_weights.settle_batch_norm(
            self.backbone, random_weights.noise_input(height, width, self.config.pixels, generator)
        )
        for node, gain in zip(self.backbone.bifpn.last_nodes(), RANDOM_GAINS, strict=True):
            node.norm.weight.fill_(gain)
        levels = self.backbone(random_weights.noise_input(height, width, self.config.pixels, generator))
        cells = torch.cat([level.flatten(2) for level in levels], dim=2)[..., None]  # (1, C, all cells, 1)
        random_weights.spread(self.rpn.objectness, cells, mean=-2.0, std=2.0)
        random_weights.spread(self.rpn.deltas, cells, mean=0.0, std=0.2)
        proposals, _ = self.propose(levels, torch.tensor([height, width], dtype=torch.float32))
        pooled = self.pool(levels, proposals).flatten(1)
        for layer in (self.box_head.fc1, self.box_head.fc2):
            random_weights.spread(layer, pooled, mean=0.0, std=1.0)
            pooled = layer(pooled).relu()
        random_weights.spread(self.box_head.classifier, pooled, mean=0.0, std=3.0)
        random_weights.spread(self.box_head.deltas, pooled, mean=0.0, std=1.0)
        if self.attribute_head is not None:
            self.attribute_head.spread(pooled, self.box_head.classifier(pooled).argmax(dim=1), std=3.0)


def level_sizes(levels: Sequence[Tensor]) -> list[tuple[int, int]]:
    """Return (height, width) in cells of (B, C, H, W) maps."""
    return [(level.shape[2], level.shape[3]) for level in levels]
