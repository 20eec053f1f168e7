"""Annotated pictures into batches: each scaled, mirrored and lit a little differently every time it is shown.

Pictures travel as bytes, a quarter of what floats take, and become light on the device that computes. Scaling is
`minivlm.images.preprocess`'s, the same that a photo gets when the detector is used. What would make an annotation false
is not done: no other hues, which colours are named by, and no cutting, which sizes are named by.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from PIL import Image
from torch import Tensor

from minivlm.datasets.boxes import Box, BoxData, BoxExample
from minivlm.datasets.pictures import fault_of
from minivlm.errors import UserError, closest
from minivlm.images.photos import PhotoError, load_photo
from minivlm.images.preprocess import scaled_photo
from minivlm.ops import clip_boxes, nonempty
from minivlm.training.detection import Batch
from minivlm.training.disguise import disguised
from minivlm.training.matching import Truth, side_by_side
from minivlm.training.recipes import DetectorRecipe
from minivlm.vision.pixels import PixelFormat

LIGHT = 0.1
"""Brightness and contrast are multiplied by 1 plus or minus at most this: white stays apart from grey."""
MIDDLE = 127.5
"""What contrast leaves as it is, of 255."""


@dataclass(frozen=True, kw_only=True)
class Example:
    """One picture as it is shown once.

    Attributes:
        photo: (3, h, w) uint8 RGB, scaled.
        light: Factors of brightness and contrast, see `relit`.
        truth: What is annotated, in pixels of `photo`.
        faults: What was wrong with pictures that this one is shown instead of.
    """

    photo: Tensor
    light: tuple[float, float]
    truth: Truth
    faults: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class PictureBatch:
    """Pictures on their way to the device.

    Attributes:
        photos: (B, 3, H, W) uint8 RGB, each in its image's top-left corner.
        light: (B, 2) float32, factors of brightness and contrast.
        extents: (B, 2) float32, see `Batch`.
        truths: Likewise.
        faults: Likewise.
        pixels: How a network's input is normalised.
    """

    photos: Tensor
    light: Tensor
    extents: Tensor
    truths: Truth
    faults: tuple[str, ...]
    pixels: PixelFormat

    def to(self, device: torch.device) -> Batch:
        """Return them on a device, lit and normalised, padded with the mean colour."""
        extents, photos = self.extents.to(device), self.photos.to(device)
        brightness, contrast = self.light.to(device)[:, :, None, None, None].unbind(1)
        images = self.pixels.normalise(relit(photos.to(torch.float32), brightness, contrast))
        rows, columns = (torch.arange(side, device=device) for side in photos.shape[2:])
        within = (rows[None, :, None] < extents[:, 0, None, None]) & (columns < extents[:, 1, None, None])
        return Batch(
            images=images * within[:, None],  # zero is the mean colour, when normalised
            extents=extents,
            truths=self.truths.to(device),
            faults=self.faults,
        )


class DetectorPictures:
    """The pictures of a data set, ready to be drawn from by index: `Examples` of a stage of training.

    Args:
        data: Its class with number k is the detector's class k + 1; 0 is the background.
        attributes: Names of the detector's attribute classes, in their order.
        recipe: How pictures are scaled.
        pixels: How they are normalised.
        multiple: Of which height and width of a batch are multiples.

    Raises:
        UserError: There are no pictures, or an object has an attribute that is not listed.
    """

    def __init__(
        self,
        data: BoxData,
        attributes: Sequence[str],
        recipe: DetectorRecipe,
        pixels: PixelFormat,
        multiple: int,
    ) -> None:
        if not data.examples:
            raise UserError(f"{data.report.source} has no pictures to learn from: give one that has")
        self.data = data
        self.recipe = recipe
        self.pixels = pixels
        self.multiple = multiple
        self._attributes = {name: place for place, name in enumerate(attributes)}
        used = dict.fromkeys(name for one in data.examples for box in one.boxes for name in box.attributes)
        for name in used:
            if name not in self._attributes:
                raise UserError(f"{data.report.source} has the attribute {name!r}: {closest(name, list(attributes))}")

    def __len__(self) -> int:
        return len(self.data.examples)

    def example(self, index: int, generator: torch.Generator, progress: float) -> Example:
        """Return a picture as it is shown once; the next one that can be used in place of one that cannot.

        Args:
            index: Of `data.examples`.
            generator: Source of all chance, on the CPU.
            progress: Share of the training that is done, 0 to 1; sizes may depend on it.

        Raises:
            UserError: No picture at all can be used.
        """
        faults: list[str] = []
        for step in range(len(self)):
            source = self.data.examples[(index + step) % len(self)]
            try:
                photo = _load(source)
            except PhotoError as error:
                faults.append(fault_of(source.picture, error))
                continue
            return replace(self._shown(photo, source.boxes, generator, progress), faults=tuple(faults))
        raise UserError(f"none of {len(self)} pictures can be used, the first as {faults[0]}")

    def collate(self, examples: Sequence[Example]) -> PictureBatch:
        """Put pictures of different sizes into one batch, each at the top left."""
        height, width = (max(one.photo.shape[axis] for one in examples) for axis in (1, 2))
        height, width = (-(-side // self.multiple) * self.multiple for side in (height, width))
        photos = torch.zeros(len(examples), 3, height, width, dtype=torch.uint8)
        for place, one in zip(photos, examples, strict=True):
            place[:, : one.photo.shape[1], : one.photo.shape[2]] = one.photo
        return PictureBatch(
            photos=photos,
            light=torch.tensor([one.light for one in examples]),
            extents=torch.tensor([one.photo.shape[1:] for one in examples], dtype=torch.float32),
            truths=side_by_side([one.truth for one in examples]),
            faults=tuple(fault for one in examples for fault in one.faults),
            pixels=self.pixels,
        )

    def _shown(self, photo: Image.Image, boxes: Sequence[Box], generator: torch.Generator, progress: float) -> Example:
        sides = next((one.sides for one in self.recipe.sides if progress < one.until), self.recipe.sides[-1].sides)
        side = sides[int(torch.randint(len(sides), (), generator=generator))]
        mirrored = bool(torch.rand((), generator=generator) < 0.5)
        brightness, contrast = (1.0 + LIGHT * (2.0 * torch.rand(2, generator=generator) - 1.0)).tolist()
        if self.recipe.disguised and float(torch.rand((), generator=generator)) < self.recipe.disguised:
            photo = disguised(photo, generator)
        turned = photo.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if mirrored else photo
        scaled = scaled_photo(turned, side, self.recipe.longest)[0]
        truth = self._truth(boxes, photo.size, scaled.shape[1:], mirrored=mirrored)
        return Example(photo=scaled, light=(brightness, contrast), truth=truth, faults=())

    def _truth(self, boxes: Sequence[Box], size: tuple[int, int], scaled: torch.Size, *, mirrored: bool) -> Truth:
        """Carry annotations of a photo of a (width, height) over to one of another (height, width).

        What is not within the photo is left out.
        """
        width, height = size
        corners = torch.tensor([box.corners for box in boxes], dtype=torch.float64).reshape(-1, 4)
        corners = clip_boxes(corners, corners.new_tensor((height, width)))
        if mirrored:
            x1, y1, x2, y2 = corners.unbind(1)
            corners = torch.stack([width - x2, y1, width - x1, y2], dim=1)
        corners = (corners * corners.new_tensor((scaled[1] / width, scaled[0] / height) * 2)).to(torch.float32)
        has = torch.zeros(len(boxes), len(self._attributes), dtype=torch.bool)
        for row, box in enumerate(boxes):
            has[row, [self._attributes[name] for name in box.attributes]] = True
        crowd = torch.tensor([box.crowd for box in boxes], dtype=torch.bool)
        within = nonempty(corners)
        objects = within & ~crowd
        return Truth(
            boxes=corners[objects],
            classes=torch.tensor([box.label + 1 for box in boxes], dtype=torch.int64)[objects],
            attributes=has[objects],
            crowds=corners[within & crowd],
        )


def relit(photos: Tensor, brightness: Tensor, contrast: Tensor) -> Tensor:
    """Multiply brightness, then contrast; hues stay, as nothing is cut off at black or white.

    Args:
        photos: (B, 3, H, W) float32, 0 to 255.
        brightness: (B, 1, 1, 1) factor of all values.
        contrast: (B, 1, 1, 1) factor of their distance from `MIDDLE`.

    Returns:
        (B, 3, H, W) float32.
    """
    return (photos * brightness - MIDDLE) * contrast + MIDDLE


def _load(source: BoxExample) -> Image.Image:
    """Read a picture.

    Raises:
        PhotoError: It cannot be read, or is of another size than the boxes were drawn in.
    """
    photo = load_photo(source.picture)
    if source.size is not None and source.size != (photo.height, photo.width):
        height, width = source.size
        raise PhotoError(
            f"{source.picture.name} is {photo.width}x{photo.height} and its boxes were drawn in {width}x{height}: give"
            " the picture that was annotated"
        )
    return photo
