"""Pictures whose surfaces say less: blurred, sharpened, outlined, coarse, grainy, or of other saturation.

A detector learns drawings by heart, and knows them by their shading before it knows them by their shape. Hues stay as
they are, as colours are named by them, and so does every outline, as boxes are drawn around them.
"""

from collections.abc import Callable

import numpy as np
import torch
from PIL import Image, ImageEnhance, ImageFilter

Disguise = Callable[[Image.Image, float, torch.Generator], Image.Image]
"""Takes an RGB picture, how much from 0 to 1, and a source of chance."""


def disguised(photo: Image.Image, generator: torch.Generator) -> Image.Image:
    """Return an RGB picture in one of `DISGUISES`.

    Args:
        photo: RGB.
        generator: Of which, and how much.
    """
    which = int(torch.randint(len(DISGUISES), (), generator=generator))
    return DISGUISES[which](photo, float(torch.rand((), generator=generator)), generator)


def _blurred(photo: Image.Image, much: float, generator: torch.Generator) -> Image.Image:
    return photo.filter(ImageFilter.GaussianBlur(0.3 + 1.2 * much))


def _sharpened(photo: Image.Image, much: float, generator: torch.Generator) -> Image.Image:
    return photo.filter(ImageFilter.UnsharpMask(radius=2, percent=int(60 + 200 * much), threshold=0))


def _outlined(photo: Image.Image, much: float, generator: torch.Generator) -> Image.Image:
    edges = photo.convert("L").filter(ImageFilter.FIND_EDGES).point(lambda value: min(255, 2 * value))
    return Image.composite(ImageEnhance.Brightness(photo).enhance(0.8 - 0.7 * much), photo, edges)


def _coarsened(photo: Image.Image, much: float, generator: torch.Generator) -> Image.Image:
    small = photo.resize([max(1, round(side / (1.2 + 1.3 * much))) for side in photo.size], Image.Resampling.BOX)
    return small.resize(photo.size, Image.Resampling.NEAREST)


def _grainy(photo: Image.Image, much: float, generator: torch.Generator) -> Image.Image:
    noise = torch.randn(photo.height, photo.width, 1, generator=generator).numpy() * (3.0 + 15.0 * much)
    return Image.fromarray(np.clip(np.asarray(photo) + noise, 0.0, 255.0).astype(np.uint8))


def _saturated(photo: Image.Image, much: float, generator: torch.Generator) -> Image.Image:
    return ImageEnhance.Color(photo).enhance(0.6 + 0.8 * much)


DISGUISES: tuple[Disguise, ...] = (_blurred, _sharpened, _outlined, _coarsened, _grainy, _saturated)
