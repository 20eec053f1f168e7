"""What a detector was and can be trained with: the paper's two stages, and one for a small world on a CPU."""

import math
from dataclasses import dataclass, replace

from minivlm.training.detection import LESSONS, SMALL_LESSONS, Lessons
from minivlm.vision.rpn import RPNConfig


@dataclass(frozen=True, kw_only=True)
class SGD:
    """Stochastic gradient descent.

    Attributes:
        momentum: Share of the last step that is taken again.
    """

    momentum: float


@dataclass(frozen=True, kw_only=True)
class AdamW:
    """Loshchilov and Hutter (2019).

    Attributes:
        betas: How long the averages of gradients and of their squares remember.
    """

    betas: tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One stage of a detector's training.

    Attributes:
        start: Where the weights come from.
        optimizer: Which, and what only it has.
        learning_rate: Of a step on a whole batch, after the warm-up.
        weight_decay: Of weights; vectors, such as biases and norms, have none.
        batch: Pictures a step.
        epochs: How often each picture is shown.
        warmup: Steps of linear warm-up.
        warmup_start: Share of the learning rate that the warm-up rises from; its last step is at the full rate.
        final: Share of the learning rate at the end of the cosine (Loshchilov and Hutter 2017).
        clip: Largest length of all gradients together, infinite where they are not clipped.
        sides: Short sides in pixels that a picture is scaled to, one drawn for each.
        longest: Long side in pixels that scaling does not exceed.
        rpn: Anchors, and how many of them become proposals while training.
        lessons: Which anchors and RoIs learn.
        frozen: Parts of the detector that stay as they are, their BatchNorm included.
        pretrained_rate: Share of the learning rate for weights that ImageNet has taught; squeeze-and-excitation, which
            EfficientNet-Lite has not, learns at the full rate.
        bifpn_momentum: Of the BiFPN's BatchNorm statistics.
        mixed: Whether layers compute in bfloat16 (autocast).
    """

    start: str
    optimizer: SGD | AdamW
    learning_rate: float
    weight_decay: float
    batch: int
    epochs: int
    warmup: int
    warmup_start: float
    final: float
    clip: float
    sides: tuple[int, ...]
    longest: int
    rpn: RPNConfig
    lessons: Lessons
    frozen: tuple[str, ...]
    pretrained_rate: float
    bifpn_momentum: float
    mixed: bool


OBJECTS365 = Recipe(
    start="a backbone that ImageNet has taught",
    optimizer=SGD(momentum=0.9),
    learning_rate=0.4,
    weight_decay=1e-5,
    batch=256,
    epochs=100,
    warmup=500,
    warmup_start=1.0 / 3.0,
    final=0.0,
    clip=math.inf,
    sides=tuple(range(256, 737, 32)),
    longest=1333,
    rpn=RPNConfig(pre_nms=10_000, proposals=2000),
    lessons=LESSONS,
    frozen=(),
    pretrained_rate=1.0,
    bifpn_momentum=0.01,
    mixed=False,
)
"""Second of the paper's stages; the first, ImageNet, teaches the backbone alone.

Optimizer, rate, batch and epochs are section 4.1's, which says "cosine" of the first stage only. Momentum, warm-up,
weight decay, sides and proposals are those of the TEE's kin that `minivlm.training.matching` names. It takes the 2000
best anchors of each of five levels into NMS, we the 10,000 best of all.
"""

VISUAL_GENOME = replace(OBJECTS365, start="Objects365", learning_rate=0.2, batch=512, epochs=200)
"""Third of the paper's stages, with attributes; sources as for `OBJECTS365`."""

SMALL_WORLD = Recipe(
    start="a backbone that ImageNet has taught",
    optimizer=AdamW(betas=(0.9, 0.99)),
    learning_rate=1e-3,
    weight_decay=1e-4,
    batch=8,
    epochs=1,
    warmup=60,
    warmup_start=0.0,
    final=0.02,
    clip=5.0,
    sides=(256,),
    longest=256,
    rpn=RPNConfig(anchor_sizes=(16, 32, 64, 128, 256), pre_nms=400, proposals=100),
    lessons=SMALL_LESSONS,
    frozen=tuple(f"backbone.efficientnet.body.{part}" for part in ("conv_stem", "bn1", "blocks.0", "blocks.1")),
    pretrained_rate=0.3,
    bifpn_momentum=0.05,
    mixed=True,
)
"""For made-up scenes, of which some thousands are drawn and each is shown once: minutes on one core.

SGD at 0.02 found less in the same time than AdamW, and a backbone without ImageNet less than half as much. Measured on
60 classes of drawn objects with EfficientNet-Lite0, once each; whether `crossing` anchors help was not.
"""
