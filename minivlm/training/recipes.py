"""What a detector was and can be trained with: the paper's two stages, and one for a small world on a CPU."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from minivlm.training.detection import LESSONS, SMALL_LESSONS, Lessons
from minivlm.training.optimization import SGD, AdamW, Optimization
from minivlm.vision.rpn import RPNConfig


@dataclass(frozen=True, kw_only=True)
class Phase:
    """A part of the training with sizes of its own.

    Attributes:
        until: Share of the training, above 0, at which it ends; the last phase's is 1.
        sides: Short sides in pixels that a picture is scaled to, one drawn for each.
    """

    until: float
    sides: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class DetectorRecipe:
    """One stage of a detector's training.

    Attributes:
        start: Where the weights come from.
        optimization: How weights move.
        sides: Sizes of pictures, phase after phase.
        longest: Long side in pixels that scaling does not exceed.
        rpn: Anchors, and how many of them become proposals while training.
        lessons: Which anchors and RoIs learn.
        frozen: Parts of the detector that stay as they are, their BatchNorm included.
        pretrained_rate: Share of the learning rate for weights that ImageNet has taught; squeeze-and-excitation, which
            EfficientNet-Lite has not, learns at the full rate.
        bifpn_momentum: Of the BiFPN's BatchNorm statistics.
        disguised: Share of pictures that are shown disguised, see `minivlm.training.disguise`.
        mixed_styles: Share of steps that mix the styles of a batch's pictures, see `minivlm.training.style_mixing`.
    """

    start: str
    optimization: Optimization
    sides: tuple[Phase, ...]
    longest: int
    rpn: RPNConfig
    lessons: Lessons
    frozen: tuple[str, ...]
    pretrained_rate: float
    bifpn_momentum: float
    disguised: float = 0.0
    mixed_styles: float = 0.0


OBJECTS365 = DetectorRecipe(
    start="a backbone that ImageNet has taught",
    optimization=Optimization(
        optimizer=SGD(momentum=0.9),
        learning_rate=0.4,
        weight_decay=1e-5,
        batch=256,
        epochs=100,
        warmup=500,
        warmup_start=1.0 / 3.0,
        final=0.0,
    ),
    sides=(Phase(until=1.0, sides=tuple(range(256, 737, 32))),),
    longest=1333,
    rpn=RPNConfig(pre_nms=10_000, proposals=2000),
    lessons=LESSONS,
    frozen=(),
    pretrained_rate=1.0,
    bifpn_momentum=0.01,
)
"""Second of the paper's stages; the first, ImageNet, teaches the backbone alone.

Optimizer, rate, batch and epochs are section 4.1's, which says "cosine" of the first stage only. Momentum, warm-up,
weight decay, sides and proposals are those of the TEE's kin that `minivlm.training.matching` names. It takes the 2000
best anchors of each of five levels into NMS, we the 10,000 best of all.
"""

VISUAL_GENOME = replace(
    OBJECTS365,
    start="Objects365",
    optimization=replace(OBJECTS365.optimization, learning_rate=0.2, batch=512, epochs=200),
)
"""Third of the paper's stages, with attributes; sources as for `OBJECTS365`."""

SMALL_WORLD = DetectorRecipe(
    start="a backbone that ImageNet has taught",
    optimization=Optimization(
        optimizer=AdamW(betas=(0.9, 0.99)),
        learning_rate=1e-3,
        weight_decay=1e-4,
        batch=8,
        epochs=1,
        warmup=60,
        warmup_start=0.0,
        final=0.02,
        clip=5.0,
        mixed=True,
    ),
    sides=(Phase(until=1.0, sides=(256,)),),
    longest=256,
    rpn=RPNConfig(anchor_sizes=(16, 32, 64, 128, 256), pre_nms=400, proposals=100),
    lessons=SMALL_LESSONS,
    frozen=tuple(f"backbone.efficientnet.body.{part}" for part in ("conv_stem", "bn1", "blocks.0", "blocks.1")),
    pretrained_rate=0.3,
    bifpn_momentum=0.05,
)
"""For made-up scenes, of which some thousands are drawn and each is shown once: minutes on one core.

SGD at 0.02 found less in the same time than AdamW, and a backbone without ImageNet less than half as much. Measured on
60 classes of drawn objects with EfficientNet-Lite0, once each; whether `crossing` anchors help was not.
"""

SCENES = replace(
    SMALL_WORLD,
    optimization=replace(SMALL_WORLD.optimization, epochs=2),
    sides=(
        Phase(until=0.5, sides=(192, 256)),
        Phase(until=0.86, sides=(256, 320)),
        Phase(until=1.0, sides=(512,)),
    ),
    longest=512,
)
"""For the sample: 313 classes in four styles, small pictures first and the size of use at the end."""

SCENES_LARGE = replace(
    SCENES,
    optimization=replace(SCENES.optimization, learning_rate=2e-3, batch=64, epochs=7, warmup=100),
    sides=(
        Phase(until=0.45, sides=(192, 224, 256)),
        Phase(until=0.7, sides=(256, 320)),
        Phase(until=1.0, sides=(448, 512)),
    ),
    disguised=0.5,
)
"""The same on an accelerator, with batches that keep one busy."""

SCENES_FURTHER = replace(
    SCENES_LARGE,
    start="a detector of scenes",
    optimization=replace(SCENES_LARGE.optimization, batch=128, epochs=6, ema=0.998),
    sides=(
        Phase(until=0.5, sides=(192, 224, 256)),
        Phase(until=0.8, sides=(256, 320)),
        Phase(until=1.0, sides=(448, 512)),
    ),
    mixed_styles=0.5,
)
"""From a detector that knows scenes, on more styles (`minivlm data drawings --training-styles`), on an accelerator.

Trainings of several seeds are meant to be averaged (`minivlm checkpoint average`), which is worth more in styles that
none of them has seen than any of them is: docs/training.md.
"""

SCENES_FINISH = replace(
    SCENES_FURTHER,
    optimization=replace(SCENES_FURTHER.optimization, learning_rate=1e-3, epochs=4, warmup=30, ema=0.99),
    sides=(Phase(until=1.0, sides=(448, 512)),),
)
"""The end of it, at the size of use alone: sizes are named by what a picture of 512 shows."""

RECIPES: Mapping[str, DetectorRecipe] = MappingProxyType(
    {
        "objects365": OBJECTS365,
        "visual-genome": VISUAL_GENOME,
        "small-world": SMALL_WORLD,
        "scenes": SCENES,
        "scenes-large": SCENES_LARGE,
        "scenes-further": SCENES_FURTHER,
        "scenes-finish": SCENES_FINISH,
    }
)
"""By the names that the command takes."""
