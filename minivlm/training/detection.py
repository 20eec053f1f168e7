"""What a detector's outputs cost: losses of Faster R-CNN (Ren et al. 2015) and of attributes (Anderson et al. 2018).

The paper names neither losses nor weights ("an additional head is added to train with attribute classes", section
4.1). Sums and their denominators are those of maskrcnn-benchmark, as in `minivlm.training.matching`; the attributes'
share is that of `models/vg/ResNet-101/faster_rcnn_end2end_final/train.prototxt` in peteanderson80/bottom-up-attention.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from minivlm.ops import BoxCoder
from minivlm.training.matching import Truth, match_anchors
from minivlm.training.sampling import (
    ANCHOR_SAMPLING,
    ROI_SAMPLING,
    SMALL_ROI_SAMPLING,
    Rois,
    Sampling,
    sample,
    sample_rois,
    taken,
)
from minivlm.vision.box_head import AttributeHead
from minivlm.vision.rpn import Anchors
from minivlm.vision.tee import TEE, level_sizes

RPN_BETA = 1.0 / 9.0
"""Delta below which smooth L1 is a square in the RPN; in the box head, whose deltas are ten times larger, it is 1."""
IGNORED_CLASS = -100
"""In the place of a RoI's class that is not asked for; `cross_entropy`'s own."""
ATTRIBUTE_WEIGHT = 0.5
"""Share of the attributes' loss in the total, bottom-up attention's."""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Pictures to learn from in one step.

    Attributes:
        images: (B, 3, H, W) float32, normalised as the detector's config says.
        extents: (B, 2) float32 height and width in pixels of each photo in its image's top-left corner.
        truths: What is annotated in each, see `side_by_side`.
        faults: What was wrong with pictures that others are shown instead of, one line each.
    """

    images: Tensor
    extents: Tensor
    truths: Truth
    faults: tuple[str, ...] = ()

    def to(self, device: torch.device) -> "Batch":
        """Return the same on a device."""
        return replace(
            self, images=self.images.to(device), extents=self.extents.to(device), truths=self.truths.to(device)
        )


@dataclass(frozen=True, kw_only=True)
class Lessons:
    """Which anchors and RoIs learn.

    Attributes:
        crossing: Whether anchors that cross the photo's edge do. Where they do not, anchors as large as the photo never
            learn, nor does the level that they belong to.
        rois: How many RoIs of a picture.
    """

    crossing: bool
    rois: Sampling


LESSONS = Lessons(crossing=False, rois=ROI_SAMPLING)
"""maskrcnn-benchmark's, the likely ones of the paper."""
SMALL_LESSONS = Lessons(crossing=True, rois=SMALL_ROI_SAMPLING)
"""For small inputs and CPUs."""


@dataclass(frozen=True, kw_only=True)
class DetectionLosses:
    """Losses of a batch, () float32 each, under autocast, too; 0 where there is nothing to learn from.

    Attributes:
        objectness: Binary cross-entropy over the sampled anchors.
        anchor_deltas: Smooth L1 of the anchors that find objects, over the sampled anchors.
        classes: Cross-entropy over the sampled RoIs.
        deltas: Smooth L1 of the RoIs that find objects, over the sampled RoIs.
        attributes: Cross-entropy over the RoIs whose object has attributes, unweighted.
    """

    objectness: Tensor
    anchor_deltas: Tensor
    classes: Tensor
    deltas: Tensor
    attributes: Tensor

    @property
    def total(self) -> Tensor:
        """() float32, what training makes smaller."""
        rest = self.objectness + self.anchor_deltas + self.classes + self.deltas
        return rest + ATTRIBUTE_WEIGHT * self.attributes

    def detached(self) -> "DetectionLosses":
        """Return the same numbers, which keep no graph in memory."""
        return DetectionLosses(**{name: value.detach() for name, value in vars(self).items()})


def detection_losses(
    model: TEE, batch: Batch, generator: torch.Generator, lessons: Lessons = LESSONS
) -> DetectionLosses:
    """Run a detector on pictures and compare all its outputs with what is annotated.

    Args:
        model: In the mode and with the gradients that the caller wants.
        batch: On the model's device.
        generator: Source of chance, on the CPU, for which anchors and RoIs learn.
        lessons: Which of them may.
    """
    levels = model.backbone(batch.images)
    objectness, moves = model.rpn.each(levels)
    sizes = level_sizes(levels)
    wanted = anchor_targets(model, sizes, batch, generator, lessons)
    of_objectness, of_moves = anchor_losses(objectness, moves, wanted)
    proposals, valid = model.selector.each(objectness, moves, sizes, batch.extents)
    rois = sample_rois(proposals, valid, batch.truths, lessons.rois, generator)
    features, class_logits, deltas = model.box_head(model.pool_each(levels, rois.boxes.unbind(0)))
    of_classes, of_deltas = roi_losses(model, class_logits, deltas, rois, batch.truths)
    return DetectionLosses(
        objectness=of_objectness,
        anchor_deltas=of_moves,
        classes=of_classes,
        deltas=of_deltas,
        attributes=attribute_loss(model.attribute_head, features, rois, batch.truths),
    )


@dataclass(frozen=True, kw_only=True)
class AnchorTargets:
    """What the sampled anchors of a batch should say.

    Attributes:
        rows: (B, S) int64 of each picture's anchors.
        labels: (B, S) float32, 1 where there is an object.
        kept: (B, S) bool, False for rows that only fill.
        deltas: (B, S, 4) float32, 0 where there is no object.
    """

    rows: Tensor
    labels: Tensor
    kept: Tensor
    deltas: Tensor


def anchor_targets(
    model: TEE, sizes: Sequence[tuple[int, int]], batch: Batch, generator: torch.Generator, lessons: Lessons
) -> AnchorTargets:
    """Match and sample anchors.

    Args:
        model: For its anchors, and how it writes boxes as deltas.
        sizes: (height, width) in cells of every level.
        batch: For what is annotated, and where the photos end.
        generator: Source of chance.
        lessons: Which of them may learn.
    """
    anchors = Anchors(model.config.rpn, sizes).all_boxes(batch.images.device)
    matches = match_anchors(anchors, batch.truths, batch.extents, crossing=lessons.crossing)
    drawn = sample(matches, ANCHOR_SAMPLING, generator)
    objects = matches.gather(1, drawn.rows).clamp(min=0)
    return AnchorTargets(
        rows=drawn.rows,
        labels=drawn.positive.float(),
        kept=drawn.kept,
        deltas=_deltas(model.selector.coder, batch.truths, objects, anchors[drawn.rows], drawn.positive),
    )


def _deltas(coder: BoxCoder, truths: Truth, objects: Tensor, boxes: Tensor, positive: Tensor) -> Tensor:
    """Return (B, S, 4): from (B, S, 4) boxes to their (B, S) objects, 0 where a box is not positive."""
    encoded = coder.encode(taken(truths.boxes, objects).flatten(0, 1), boxes.flatten(0, 1)).view(boxes.shape)
    return torch.where(positive[:, :, None], encoded, 0.0)


def anchor_losses(objectness: Tensor, moves: Tensor, targets: AnchorTargets) -> tuple[Tensor, Tensor]:
    """Compare what the RPN says of sampled anchors.

    Args:
        objectness: (B, N) logits.
        moves: (B, N, 4) deltas.
        targets: What it should say.

    Returns:
        The losses `objectness` and `anchor_deltas`.
    """
    count = targets.kept.sum().clamp(min=1)
    logits = objectness.gather(1, targets.rows)
    of_objectness = F.binary_cross_entropy_with_logits(
        logits, targets.labels, weight=targets.kept.float(), reduction="sum"
    )
    of_moves = F.smooth_l1_loss(taken(moves, targets.rows), targets.deltas, reduction="none", beta=RPN_BETA)
    return of_objectness / count, (of_moves * targets.labels[:, :, None]).sum() / count


def roi_losses(model: TEE, class_logits: Tensor, deltas: Tensor, rois: Rois, truths: Truth) -> tuple[Tensor, Tensor]:
    """Compare what the box head says of sampled RoIs.

    Args:
        model: For how boxes are written as deltas.
        class_logits: (B * R, classes).
        deltas: (B * R, 4).
        rois: Of all pictures; their rows in this order.
        truths: Of the same pictures.

    Returns:
        The losses `classes` and `deltas`.
    """
    count, positive = rois.kept.sum().clamp(min=1), rois.classes > 0
    wanted = torch.where(rois.kept, rois.classes, IGNORED_CLASS).flatten()
    of_classes = F.cross_entropy(class_logits, wanted, reduction="sum", ignore_index=IGNORED_CLASS)
    targets = _deltas(model.coder, truths, rois.objects, rois.boxes, positive).flatten(0, 1)
    of_deltas = F.smooth_l1_loss(deltas, targets, reduction="none") * positive.flatten()[:, None]
    return of_classes / count, of_deltas.sum() / count


def attribute_loss(head: AttributeHead | None, features: Tensor, rois: Rois, truths: Truth) -> Tensor:
    """Compare what the attribute head says of the RoIs whose objects have attributes, given their true classes.

    Bottom-up attention asks for one attribute a RoI. Where an object has several, each is asked for with equal weight.

    Args:
        head: None gives 0.
        features: (B * R, D).
        rois: Of all pictures; their rows in this order.
        truths: Of the same pictures.

    Returns:
        The loss `attributes`.
    """
    wanted = taken(truths.attributes, rois.objects).flatten(0, 1).float()
    classes = rois.classes.flatten()
    rows = (wanted.any(dim=1) & (classes > 0)).nonzero().flatten()
    if head is None or not len(rows):
        return features.new_zeros((), dtype=torch.float32)
    each = wanted[rows]
    return F.cross_entropy(head(features[rows], classes[rows]), each / each.sum(dim=1, keepdim=True))
