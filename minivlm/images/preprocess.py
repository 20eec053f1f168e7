"""Fitting a photo to a network: resize, normalise, pad, and the way back for boxes.

docs/preprocessing.md specifies every step to the bit, for implementations in other languages.
"""

from fractions import Fraction
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from minivlm.errors import UserError
from minivlm.ops import clip_boxes
from minivlm.vision.pixels import PixelFormat


class NetworkInput(NamedTuple):
    """A photo as a network takes it, and what leads from the network's pixels back to the photo's.

    Attributes:
        image: (1, 3, H, W) float32, contiguous, normalised.
        extent: (2,) float32 height and width in pixels of the photo within `image`, from the top-left corner.
        scale: Network pixels per photo pixel along x and y; they differ by rounding only.
        photo_size: Height and width of the photo in pixels.
    """

    image: Tensor
    extent: Tensor
    scale: tuple[float, float]
    photo_size: tuple[int, int]

    def to_photo(self, boxes: Tensor) -> Tensor:
        """Carry boxes over to the photo.

        Args:
            boxes: (N, 4) xyxy in pixels of `image`.

        Returns:
            (N, 4) xyxy in pixels of the photo, clipped to it.
        """
        return clip_boxes(boxes / boxes.new_tensor(self.scale * 2), boxes.new_tensor(self.photo_size))


def letterbox(photo: Image.Image, size: tuple[int, int], pixels: PixelFormat) -> NetworkInput:
    """Scale a photo, up or down, until it just fits, and pad it at the right and the bottom with the mean colour.

    Args:
        photo: RGB, upright, as `load_photo` returns it.
        size: Height and width of the network's input in pixels.
        pixels: What the network's backbone was trained on.

    Raises:
        UserError: The photo is not RGB.
    """
    width, height = photo.size
    resized = _normalised(_resize(photo, min(Fraction(size[0], height), Fraction(size[1], width))), pixels)
    image = torch.zeros(1, 3, *size)  # after normalisation, zero is the mean colour
    image[:, :, : resized.shape[2], : resized.shape[3]] = resized
    return _network_input(photo, image, resized)


def resize_short_side(photo: Image.Image, short: int, longest: int, pixels: PixelFormat) -> NetworkInput:
    """Scale a photo until its short side is `short` pixels, or less where its long side would exceed `longest`.

    The rule of Fast R-CNN (Girshick 2015), 600 and 1000 there and in bottom-up-attention.

    Args:
        photo: RGB, upright, as `load_photo` returns it.
        short: Wanted length of the shorter side in pixels.
        longest: Bound on the longer side in pixels.
        pixels: What the network's backbone was trained on.

    Raises:
        UserError: The photo is not RGB.
    """
    resized = _normalised(scaled_photo(photo, short, longest), pixels)
    return _network_input(photo, resized, resized)


def scaled_photo(photo: Image.Image, short: int, longest: int) -> Tensor:
    """Return the (1, 3, h, w) uint8 RGB photo that `resize_short_side` normalises; it takes and raises the same."""
    return _resize(photo, min(Fraction(short, min(photo.size)), Fraction(longest, max(photo.size))))


def _network_input(photo: Image.Image, image: Tensor, resized: Tensor) -> NetworkInput:
    height, width = resized.shape[2:]
    return NetworkInput(
        image=image,
        extent=torch.tensor([height, width], dtype=torch.float32),
        scale=(width / photo.width, height / photo.height),
        photo_size=(photo.height, photo.width),
    )


def _normalised(photo: Tensor, pixels: PixelFormat) -> Tensor:
    return pixels.normalise(photo.to(torch.float32)).contiguous()


def _resize(photo: Image.Image, scale: Fraction) -> Tensor:
    """Return the (1, 3, h, w) uint8 photo at `scale`."""
    if photo.mode != "RGB":
        raise UserError(f"the photo's pixels are {photo.mode}, networks take RGB; open it with load_photo")
    width, height = (_scaled(side, scale) for side in photo.size)
    # Pillow's bilinear filter is a triangle as wide as the reduction. One call per axis fixes their order, which Pillow
    # chooses by cost and which shows in the rounding between the two.
    across = photo.resize((width, photo.height), Image.Resampling.BILINEAR)
    resized = across.resize((width, height), Image.Resampling.BILINEAR)
    return torch.from_numpy(np.array(resized)).permute(2, 0, 1)[None]


def _scaled(side: int, scale: Fraction) -> int:
    """Return a side's new length: rounded half up, in exact arithmetic so that every language agrees."""
    return max(1, (2 * side * scale.numerator + scale.denominator) // (2 * scale.denominator))
