"""R101-F, the baseline of every table: the Faster R-CNN of bottom-up attention (Anderson et al. 2018).

Rebuilt from peteanderson80/bottom-up-attention `models/vg/ResNet-101/faster_rcnn_end2end_final/test.prototxt`,
`lib/fast_rcnn/config.py` and `tools/generate_tsv.py`. Objectness is one sigmoid logit an anchor, where that file has
two softmax logits: the ranking is the same, and only this gives the 4.7 M parameters of the paper's Table 4.

The per-class NMS takes every class' regressed boxes, as the detector's own tests do (`lib/fast_rcnn/test.py`);
`generate_tsv.py`, which wrote the published features, ignores the regression there and takes the RoIs themselves.

Boxes follow py-faster-rcnn: corners are pixels that belong to the box, so widths are x2 - x1 + 1.
Eager PyTorch only: the number of regions depends on the photo, so nothing here is exported.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from minivlm.errors import UserError
from minivlm.ops import BoxCoder, clip_boxes, nms, roi_pool
from minivlm.vision import random_weights
from minivlm.vision.box_head import AttributeHead, with_attributes
from minivlm.vision.caffe_anchors import base_anchors, grid_anchors
from minivlm.vision.class_nms import best_surviving
from minivlm.vision.pixels import CAFFE_BGR, PixelFormat
from minivlm.vision.regions import Regions, box_geometry, check_one_picture
from minivlm.vision.resnet import ResNet, ResNetConfig, build_stage, damp_residuals

STRIDE = 16
"""Pixels per cell of C4, which both the RPN and the RoIs read."""
INCLUSIVE = 1.0
"""Added to x2 - x1 for a width."""
ROI_CHUNK = 16
"""RoIs that go through res5 at a time. One RoI's 2048 x 14 x 14 map takes 1.6 MB and several are alive at once: 16
keep a CPU as busy as 192 do (same time per RoI) and need 0.1 GB, where all 300 would need 1.6 GB."""
CALIBRATION_ROIS = 16
"""RoIs on which random weights of the box head are calibrated."""


@dataclass(frozen=True, kw_only=True)
class FasterRCNNConfig:
    """Architecture and selection rules.

    Attributes:
        resnet: C1..C4 are the backbone, C5 is the box head's "res5".
        base_size: Side in pixels of the anchor at scale 1.
        anchor_scales: Sides of the anchors over the base size.
        anchor_ratios: Height over width of the anchors.
        rpn_channels: Width of the RPN's 3x3 convolution.
        pre_nms: Best boxes that go into the RPN's NMS.
        post_nms: RoIs kept by it.
        rpn_iou_threshold: Its threshold.
        min_size: Boxes narrower or lower than this many pixels of the network's input never become RoIs.
        pool_size: RoI pooling cells an axis.
        classes: Object classes with the background, which is class 0.
        attributes: Attribute classes with "no attribute"; 0 leaves the attribute head out.
        attribute_embedding: Length of the class embedding in the attribute head.
        attribute_hidden: Width of the attribute head's hidden layer.
        iou_threshold: Threshold of the per-class NMS.
        score_threshold: Regions with at least this score are returned,
        min_regions: but at least so many,
        max_regions: and at most so many.
        short_side: Photos are scaled until their short side has so many pixels,
        longest_side: or their long side so many, whichever comes first.
        pixels: How pixels are normalised.
    """

    resnet: ResNetConfig
    base_size: int = 16
    anchor_scales: tuple[int, ...] = (4, 8, 16, 32)
    anchor_ratios: tuple[float, ...] = (0.5, 1.0, 2.0)
    rpn_channels: int = 512
    pre_nms: int = 6000
    post_nms: int = 300
    rpn_iou_threshold: float = 0.7
    min_size: int = 16
    pool_size: int = 14
    classes: int = 1601
    attributes: int = 401
    attribute_embedding: int = 256
    attribute_hidden: int = 512
    iou_threshold: float = 0.3
    score_threshold: float = 0.2
    min_regions: int = 10
    max_regions: int = 100
    short_side: int = 600
    longest_side: int = 1000
    pixels: PixelFormat = CAFFE_BGR

    @property
    def feature_dim(self) -> int:
        """Length of a region feature."""
        return self.resnet.stage_channels(3)


R101_F = FasterRCNNConfig(resnet=ResNetConfig(blocks=(3, 4, 23, 3), stride_in="1x1", stem_pool="caffe"))
R101_F_TINY = FasterRCNNConfig(
    resnet=ResNetConfig(
        blocks=(1, 1, 1, 1),
        stem_channels=8,
        inner_channels=8,
        outer_channels=32,
        stride_in="1x1",
        stem_pool="caffe",
    ),
    anchor_scales=(1, 2, 4, 8),
    rpn_channels=64,
    pre_nms=600,
    post_nms=60,
    pool_size=7,
    classes=41,
    attributes=11,
    attribute_embedding=16,
    attribute_hidden=32,
    short_side=128,
    longest_side=224,
)


class RPN(nn.Module):
    """Region proposal network: a 3x3 convolution, then objectness and box deltas for every anchor."""

    def __init__(self, config: FasterRCNNConfig) -> None:
        super().__init__()
        anchors = len(config.anchor_scales) * len(config.anchor_ratios)
        self.conv = nn.Conv2d(config.resnet.stage_channels(2), config.rpn_channels, kernel_size=3, padding=1)
        self.objectness = nn.Conv2d(config.rpn_channels, anchors, kernel_size=1)
        self.deltas = nn.Conv2d(config.rpn_channels, 4 * anchors, kernel_size=1)

    def forward(self, feature: Tensor) -> tuple[Tensor, Tensor]:
        """Score every anchor.

        Args:
            feature: (1, C, H, W).

        Returns:
            objectness: (H * W * A,) logits by row, column and anchor of the cell, deltas: (H * W * A, 4).
        """
        hidden = F.relu(self.conv(feature))
        objectness = self.objectness(hidden).permute(0, 2, 3, 1).reshape(-1)
        return objectness, self.deltas(hidden).permute(0, 2, 3, 1).reshape(-1, 4)


class Res5Head(nn.Module):
    """The box head: C5 on every RoI, its mean as the feature, class logits and one box a class.

    Stride 1 keeps C5 at the size of the pooled RoI; the 3x3 convolutions are dilated by 2 instead.
    """

    def __init__(self, config: FasterRCNNConfig) -> None:
        super().__init__()
        self.res5 = build_stage(config.resnet, 3, stride=1, dilation=2)
        self.classifier = nn.Linear(config.feature_dim, config.classes)
        self.deltas = nn.Linear(config.feature_dim, 4 * config.classes)

    def forward(self, pooled: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Describe and classify any number of RoIs.

        Args:
            pooled: (R, C, P, P).

        Returns:
            features: (R, D), class_logits: (R, classes), deltas: (R, 4 * classes), four a class.
        """
        features = torch.cat([self.res5(chunk).mean(dim=(2, 3)) for chunk in pooled.split(ROI_CHUNK)])
        return features, self.classifier(features), self.deltas(features)


class FasterRCNN(nn.Module):
    """The detector. Batch size is 1, as in the paper's timings."""

    def __init__(self, config: FasterRCNNConfig) -> None:
        super().__init__()
        self.config = config
        self.backbone = ResNet(config.resnet, stages=3)
        self.rpn = RPN(config)
        self.box_head = Res5Head(config)
        self.attribute_head = (
            AttributeHead(
                config.feature_dim,
                classes=config.classes,
                embedding=config.attribute_embedding,
                hidden=config.attribute_hidden,
                attributes=config.attributes,
            )
            if config.attributes
            else None
        )
        self.rpn_coder = BoxCoder(pixel_offset=INCLUSIVE)
        self.head_coder = BoxCoder(weights=(10.0, 10.0, 5.0, 5.0), pixel_offset=INCLUSIVE)

    def forward(self, image: Tensor, extent: Tensor) -> Regions:
        """Find and describe regions.

        Args:
            image: (1, 3, H, W) float32, normalised as `config.pixels` says.
            extent: (2,) float32 height and width in pixels of the photo in the image's top-left corner.

        Returns:
            `Regions` with min_regions to max_regions rows, or one for every RoI where there are fewer RoIs.

        Raises:
            UserError: The photo has no room for a single RoI.
            ValueError: Several pictures.
        """
        return self.select(*self._describe(image, extent), extent)

    def classify(self, image: Tensor, extent: Tensor) -> tuple[Tensor, Tensor]:
        """Say what each RoI may be, before it is given one name.

        Args:
            image: See `forward`.
            extent: Likewise.

        Returns:
            boxes: (R, classes - 1, 4) xyxy pixels; probabilities: (R, classes - 1).
        """
        _, class_logits, deltas, rois = self._describe(image, extent)
        return self._class_boxes(deltas, rois, extent), class_logits.softmax(dim=1)[:, 1:]

    def _describe(self, image: Tensor, extent: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return features, class logits and deltas of RoIs, and the RoIs."""
        check_one_picture(image)
        feature = self.backbone(image)
        rois = self.propose(feature, extent)
        return *self.box_head(self.pool(feature, rois)), rois

    def propose(self, feature: Tensor, extent: Tensor) -> Tensor:
        """Return up to post_nms RoIs, (R, 4) xyxy pixels by falling objectness.

        Args:
            feature: (1, C, H, W).
            extent: (2,) height and width in pixels.
        """
        objectness, deltas = self.rpn(feature)
        config = self.config
        base = base_anchors(config.base_size, config.anchor_ratios, config.anchor_scales)
        anchors = grid_anchors(base, feature.shape[2], feature.shape[3], STRIDE).to(feature.device)
        boxes = clip_boxes(self.rpn_coder.decode(deltas, anchors), extent, INCLUSIVE)
        large = (boxes[:, 2:] - boxes[:, :2] + INCLUSIVE >= config.min_size).all(dim=1)
        scores, order = objectness.where(large, float("-inf")).topk(min(config.pre_nms, objectness.shape[0]))
        boxes = boxes[order]
        indices, valid = nms(_continuous(boxes), scores, config.rpn_iou_threshold, config.post_nms)
        if not valid.any():
            height, width = extent.int().tolist()
            raise UserError(
                f"the photo is {height} x {width} pixels high and wide for the network, and no region of "
                f"{config.min_size} x {config.min_size} was found in it; give a photo that is less elongated"
            )
        return boxes[indices[valid]]

    def pool(self, feature: Tensor, rois: Tensor) -> Tensor:
        """Return (R, C, P, P) for (R, 4) RoIs."""
        return roi_pool(feature, rois, self.config.pool_size, 1.0 / STRIDE)

    def select(self, features: Tensor, class_logits: Tensor, deltas: Tensor, rois: Tensor, extent: Tensor) -> Regions:
        """Run NMS in every class; a RoI's best class that survives gives its score, tag and box.

        Where fewer than min_regions RoIs survive in any class at all, which takes nearly equal boxes, others fill up
        with score 0.

        Args:
            features: (R, D).
            class_logits: (R, classes), background first.
            deltas: (R, 4 * classes).
            rois: (R, 4) xyxy pixels.
            extent: (2,) height and width in pixels.
        """
        config = self.config
        probabilities = class_logits.softmax(dim=1)[:, 1:]  # (R, foreground classes)
        boxes = self._class_boxes(deltas, rois, extent)
        least = min(config.min_regions, rois.shape[0])
        scores, tags = best_surviving(
            _continuous(boxes), probabilities, config.iou_threshold, config.score_threshold, least
        )
        count = int((scores >= config.score_threshold).sum())
        scores, order = scores.topk(min(max(count, least), config.max_regions))
        tags = tags[order]
        boxes = boxes[order, tags]
        found = Regions(features[order], boxes, box_geometry(boxes, extent), tags, scores)
        return with_attributes(self.attribute_head, found)

    def _class_boxes(self, deltas: Tensor, rois: Tensor, extent: Tensor) -> Tensor:
        """Return (R, classes - 1, 4): a box of each RoI in each class, from (R, 4 * classes) deltas."""
        classes = self.config.classes
        decoded = self.head_coder.decode(deltas.reshape(-1, 4), rois.repeat_interleave(classes, dim=0))
        return clip_boxes(decoded, extent, INCLUSIVE).reshape(-1, classes, 4)[:, 1:]

    @torch.no_grad()
    def randomize(self, generator: torch.Generator) -> None:
        """Draw weights with which scores and boxes spread like a trained model's; see `random_weights`."""
        random_weights.draw_weights(self, generator)
        damp_residuals(self)
        # So large that RoI pooling takes the maximum over several cells, as on photos.
        height, width = min(320, self.config.short_side), min(448, self.config.longest_side)
        image = random_weights.noise_input(height, width, self.config.pixels, generator)
        feature = random_weights.settle_batch_norm(self.backbone, image)
        hidden = F.relu(self.rpn.conv(feature))
        random_weights.spread(self.rpn.objectness, hidden, mean=-2.0, std=2.0)
        random_weights.spread(self.rpn.deltas, hidden, mean=0.0, std=0.2)
        rois = self.propose(feature, torch.tensor([height, width], dtype=torch.float32))
        pooled = self.pool(feature, rois[:: math.ceil(len(rois) / CALIBRATION_ROIS)])
        features = random_weights.settle_batch_norm(self.box_head.res5, pooled).mean(dim=(2, 3))
        random_weights.spread(self.box_head.classifier, features, mean=0.0, std=2.0)
        random_weights.spread(self.box_head.deltas, features, mean=0.0, std=1.0)
        if self.attribute_head is not None:
            self.attribute_head.spread(features, self.box_head.classifier(features).argmax(dim=1), std=2.0)


def _continuous(boxes: Tensor) -> Tensor:
    """Return (..., 4) inclusive pixel boxes as continuous ones, of which `nms` takes the areas."""
    return boxes + torch.tensor([0.0, 0.0, INCLUSIVE, INCLUSIVE], device=boxes.device)
