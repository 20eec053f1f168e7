"""What finds regions: a detector alone, or the first half of a vision-language model."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import torch
from PIL import Image
from torch import Tensor, nn

from minivlm.errors import UserError
from minivlm.images.preprocess import NetworkInput, letterbox, resize_short_side
from minivlm.vision.faster_rcnn import FasterRCNNConfig
from minivlm.vision.regions import Regions
from minivlm.vision.tee_config import TEEConfig
from minivlm.weights.loading import NamedModel, WeightsOrigin

NO_NUMBERS = (
    "the detector computes numbers that are NaN or infinite: its weights are damaged or too large; get them again"
)

DetectorConfig = TEEConfig | FasterRCNNConfig


class Detector(Protocol):
    """The half of a `Backend` that looks at photos, wherever it runs."""

    @property
    def model(self) -> str:
        """Name in the registry."""
        ...

    @property
    def vision(self) -> DetectorConfig:
        """Sizes of the detector."""
        ...

    @property
    def origin(self) -> WeightsOrigin:
        """Where the weights come from."""
        ...

    @property
    def tags(self) -> tuple[str, ...]:
        """Names of the detector's classes, without the background."""
        ...

    @property
    def attributes(self) -> tuple[str, ...]:
        """Names of what regions are like, without "no attribute"; empty where nobody has named them."""
        ...

    @property
    def detector_hash(self) -> str:
        """Hexadecimal hash of all that a photo's regions depend on; features kept under another are not used."""
        ...

    def fit(self, photo: Image.Image) -> NetworkInput:
        """Make the detector's input of an RGB photo."""
        ...

    def regions(self, fitted: NetworkInput) -> Regions:
        """Run the detector."""
        ...


class DetectorAlone:
    """A `Detector` that is no half of a whole model: what can do no task with texts."""


@dataclass(frozen=True)
class TorchDetector(DetectorAlone):
    """A detector alone, in this process; see `Detector` for what each member means.

    Attributes:
        named: The model with its name and origin.
        tags: See `Detector`.
        attributes: See `Detector`.
    """

    named: NamedModel
    tags: tuple[str, ...]
    attributes: tuple[str, ...] = ()

    @property
    def model(self) -> str:
        """See `Detector`."""
        return self.named.name

    @property
    def module(self) -> Any:
        """The network: no type says that it proposes boxes, as each has its own signature."""
        return self.named.module

    @property
    def vision(self) -> DetectorConfig:
        """See `Detector`."""
        config: DetectorConfig = self.module.config
        return config

    @property
    def origin(self) -> WeightsOrigin:
        """See `Detector`."""
        return self.named.origin

    @cached_property
    def detector_hash(self) -> str:
        """See `Detector`: over the config and every tensor."""
        return hash_module(self.module, repr(self.vision))

    def fit(self, photo: Image.Image) -> NetworkInput:
        """See `Detector`."""
        return fit_photo(self.vision, photo)

    def regions(self, fitted: NetworkInput) -> Regions:
        """See `Detector`."""
        return find_regions(self.module, fitted)


def fit_photo(config: DetectorConfig, photo: Image.Image) -> NetworkInput:
    """Make a detector's input of an RGB photo, of the size that its config says."""
    if isinstance(config, FasterRCNNConfig):
        return resize_short_side(photo, config.short_side, config.longest_side, config.pixels)
    return letterbox(photo, config.image_size, config.pixels)


@torch.no_grad()
def find_regions(detector: Any, fitted: NetworkInput) -> Regions:
    """Run a detector.

    Raises:
        UserError: It computes what is no number.
    """
    try:
        found: Regions = detector(fitted.image, fitted.extent)
    except IndexError:  # a box that is no number is looked up somewhere outside of the map
        levels = detector.backbone(fitted.image)
        maps = [levels] if isinstance(levels, Tensor) else levels
        proposed = detector.propose(levels, fitted.extent)
        boxes = proposed if isinstance(proposed, Tensor) else proposed[0]
        if all(bool(torch.isfinite(one).all()) for one in (*maps, boxes)):
            raise
        raise UserError(NO_NUMBERS) from None
    return found


def check_numbers(found: Regions) -> None:
    """Refuse regions of a detector whose weights are damaged.

    Raises:
        UserError: They hold what is no number.
    """
    if not all(bool(torch.isfinite(part).all()) for part in found.present.values()):
        raise UserError(NO_NUMBERS)


def hash_module(module: nn.Module, config: str) -> str:
    """Return the SHA-256 of a module's config and state dict, in hexadecimal."""
    digest = hashlib.sha256(config.encode())
    for key, tensor in sorted(module.state_dict().items()):
        digest.update(f"{key} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
