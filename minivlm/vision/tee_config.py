"""How large a TEE is: its config, the sizes of the paper and others, and which inputs they take."""

from dataclasses import dataclass, field, replace

from minivlm.errors import UserError
from minivlm.vision.pixels import IMAGENET_RGB, PixelFormat
from minivlm.vision.rpn import RPNConfig

LARGEST_SIDE = 2048
"""Of an input, in pixels: twice what tee-3 is made for. At 2048 x 2048 the largest map of tee-3 takes 0.6 GB, and the
numbers of table rows are still exact in float32.
"""


@dataclass(frozen=True, kw_only=True)
class TEEConfig:
    """Architecture of a TEE.

    Attributes:
        efficientnet: timm's name of the backbone.
        channels: Width of the BiFPN.
        cells: BiFPN cells.
        feature_dim: Length of a region feature.
        classes: Object classes with the background, which is class 0.
        attributes: Attribute classes with "no attribute"; 0 leaves the attribute head out.
        pool_size: RoIAlign cells an axis.
        sampling_ratio: RoIAlign samples a cell and axis.
        roi_levels: Levels that RoIs read; stride 64 feeds the RPN only.
        regions: Regions returned.
        least_score: Of a region; rows below it only fill. The paper's detectors keep the best 50 whatever they score.
        iou_threshold: Threshold of the one class-agnostic NMS over the regions.
        size_multiple: Height and width of the input must be multiples of this.
        image_size: Default height and width of an exported artifact, in pixels.
        rpn: Proposal settings.
        pixels: How pixels are normalised.
    """

    efficientnet: str
    channels: int
    cells: int
    image_size: tuple[int, int]
    feature_dim: int = 1024
    classes: int = 1601
    attributes: int = 401
    pool_size: int = 4
    sampling_ratio: int = 2
    roi_levels: int = 4
    regions: int = 50
    least_score: float = 0.0
    iou_threshold: float = 0.5
    size_multiple: int = 32
    rpn: RPNConfig = field(default_factory=RPNConfig)
    pixels: PixelFormat = IMAGENET_RGB

    def __post_init__(self) -> None:
        check_image_size(self.image_size, self.size_multiple)


def check_image_size(size: tuple[int, int], multiple: int) -> None:
    """Refuse a size of the input that a detector does not take.

    Args:
        size: (height, width) in pixels.
        multiple: See `TEEConfig.size_multiple`.

    Raises:
        UserError: Height or width is no multiple of it between the multiple itself and `LARGEST_SIDE`.
    """
    if any(side % multiple or not multiple <= side <= LARGEST_SIDE for side in size):
        near = [min(max(multiple, round(side / multiple) * multiple), LARGEST_SIDE) for side in size]
        raise UserError(
            f"image size {size[0]}x{size[1]}: height and width must be multiples of {multiple} from {multiple} to "
            f"{LARGEST_SIDE}, for example {near[0]}x{near[1]}"
        )


TEE_0 = TEEConfig(efficientnet="efficientnet_b0", channels=64, cells=3, image_size=(512, 512))
TEE_1 = TEEConfig(efficientnet="efficientnet_b1", channels=88, cells=4, image_size=(640, 640))
TEE_2 = TEEConfig(efficientnet="efficientnet_b2", channels=112, cells=5, image_size=(768, 768))
TEE_3 = TEEConfig(efficientnet="efficientnet_b3", channels=160, cells=6, image_size=(896, 896))
TEE_LITE_0 = replace(TEE_0, efficientnet="efficientnet_lite0")
"""Not the paper's: tee-0 whose backbone has no squeeze-and-excitation, and ReLU6 for swish. It was made for int8."""
TEE_SAMPLE = replace(
    TEE_0,
    classes=314,
    attributes=15,
    regions=20,
    least_score=0.1,
    rpn=replace(TEE_0.rpn, anchor_sizes=(16, 32, 64, 128, 256)),
)
"""tee-0 for composed scenes (`minivlm.scenes`): their 313 classes and 14 attributes, and anchors for small pictures.

A scene has nine objects at most, five as a rule. Of 50 regions nine in ten are none, and so are the tags that they give
the transformer to read; of 20 with a score of 0.1 or more, eight are left, at a cost of half a point of mAP.
"""
TEE_TINY = TEEConfig(
    efficientnet="tinynet_e",
    channels=8,
    cells=1,
    image_size=(128, 128),
    feature_dim=64,
    classes=41,
    attributes=11,
    regions=10,
    rpn=RPNConfig(anchor_sizes=(8, 16, 32, 64, 128), pre_nms=200, proposals=40),
)
