"""Composing a scene: which objects, how large, where, and what each hides of those behind it.

Picture `index` of a split is made from a stream of random numbers of its own, so that it depends on the seed, the split
and its index only.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import PCG64, Generator, SeedSequence
from numpy.typing import NDArray
from PIL import Image

from minivlm.scenes.backgrounds import background
from minivlm.scenes.drawings import Drawings
from minivlm.scenes.palette import SOLID, Tint, turned
from minivlm.scenes.scene import Placed, Scene, size_name
from minivlm.scenes.things import Thing

SPLITS = ("train", "val", "test", "unseen-style")
TRAIN = "train"
HELD_OUT = "unseen-style"
"""The split that is drawn in the style that training never shows."""

STREAMS = {"picture": 0, "words": 1, "pool": 2, "pair": 3}
"""What random numbers are for; "pool" and "pair" are counted by pairs of pictures."""
MOST = 9
"""Objects in a scene."""
KINDS = ((1, 2, 3, 4), (10, 34, 34, 22))
"""Classes in a scene, and the weights of those numbers."""
EACH = ((1, 2, 3, 4, 5), (45, 25, 15, 9, 6))
"""Objects of a class, likewise."""
POOL = 4
"""Classes that the two pictures of a pair take most of theirs from: what they share is what can be compared."""
LENGTHS = ((16, 38), (44, 69), (74, 112))
"""Least and most pixels of a small, medium and large drawing, in a picture of 256 a side; in others in proportion."""
SHIFTS = (43, 85, 128, 171, 213)
"""By which hues are turned: if apples are always red, nobody needs to look at an apple to know its colour."""
SEEN, SEEN_SMALL = 0.4, 0.75
"""Least visible share of an object, and of a small one; what would be hidden more is not in the picture."""
MORE_STYLES = 0.5
"""Share of a training's drawings in styles that only training has, of classes that are drawn in any."""
TRIES = 12
"""Places tried for an object before it is left out."""


@dataclass(frozen=True)
class _Chosen:
    """An object that is to be placed."""

    thing: Thing
    style: str
    length: int
    shift: int
    mirrored: bool
    angle: int


class Composer:
    """Makes scenes.

    Args:
        drawings: To compose with.
        split: One of `SPLITS`.
        seed: Of the whole set.
        side: Pixels a side of the pictures.

    Raises:
        UserError: The drawings have nothing for this split.
    """

    def __init__(self, drawings: Drawings, *, split: str, seed: int, side: int) -> None:
        self.drawings = drawings
        self.split = split
        self.seed = seed
        self.side = side
        self.choices = drawings.choices(held_out=split == HELD_OUT)
        self.more = [drawings.more_styles(thing) if split == TRAIN else () for thing, _ in self.choices]

    def generator(self, stream: str, index: int) -> Generator:
        """Return the random numbers for one of `STREAMS` of one picture."""
        entropy = (self.seed, SPLITS.index(self.split), STREAMS[stream], index)
        return Generator(PCG64(SeedSequence(entropy)))

    def compose(self, index: int) -> tuple[Image.Image, Scene]:
        """Return a picture, RGB, and what is in it."""
        rng = self.generator("picture", index)
        canvas = _Canvas(background(rng, self.side))
        for chosen in self._choose(rng, index):
            drawing = self._drawing(chosen)
            tint = self.drawings.tint(chosen.style, chosen.thing, chosen.shift)
            for _ in range(TRIES):
                left, top = _corner(rng, drawing.size, self.side)
                if canvas.place(drawing, chosen, tint, left, top):
                    break
        return canvas.image, Scene(side=self.side, objects=canvas.objects())

    def _choose(self, rng: Generator, index: int) -> list[_Chosen]:
        """Return the objects of a scene, from the back to the front."""
        one_style = bool(rng.integers(2))
        chosen: list[_Chosen] = []
        for row in self._classes(rng, index):
            thing, _ = self.choices[row]
            style = self._style(rng, row)
            shift = _shift(rng)
            for _ in range(_weighted(rng, *EACH)):
                if not one_style:
                    style = self._style(rng, row)
                if rng.integers(3) == 0:
                    shift = _shift(rng)
                chosen.append(self._one(rng, thing, style, shift))
        order = rng.permutation(len(chosen))[:MOST]
        return [chosen[int(row)] for row in order]

    def _style(self, rng: Generator, row: int) -> str:
        styles, more = self.choices[row][1], self.more[row]
        if more and rng.random() < MORE_STYLES:
            styles = more
        return styles[int(rng.integers(len(styles)))]

    def _classes(self, rng: Generator, index: int) -> list[int]:
        """Return the rows of a scene's classes: most of the pair's, some of its own."""
        most = len(self.choices)
        pool = self.generator("pool", index // 2).choice(most, min(POOL, most), replace=False)
        rows = [int(row) for row in rng.permutation(pool)[: min(_weighted(rng, *KINDS), most)]]
        return list(dict.fromkeys(int(rng.integers(most)) if rng.integers(4) == 0 else row for row in rows))

    def _one(self, rng: Generator, thing: Thing, style: str, shift: int) -> _Chosen:
        least, most = LENGTHS[int(rng.integers(len(LENGTHS)))]
        length = int(rng.integers(least * self.side // 256, most * self.side // 256 + 1))
        angle = int(rng.integers(-20, 21)) if rng.integers(2) else 0
        return _Chosen(thing, style, length, shift, bool(rng.integers(2)), angle)

    def _drawing(self, chosen: _Chosen) -> Image.Image:
        """Return a drawing as large, turned and coloured as it is to be."""
        drawing = self.drawings.premultiplied(chosen.style, chosen.thing)
        if chosen.mirrored:
            drawing = drawing.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        if chosen.angle:
            # Turning small drawings is faster, and twice the size wanted is sharp enough.
            drawing = _scaled(drawing, min(2 * chosen.length, max(drawing.size)))
            drawing = drawing.rotate(chosen.angle, Image.Resampling.BILINEAR, expand=True)
            drawing = drawing.crop(drawing.getchannel("a").getbbox())
        return turned(_scaled(drawing, chosen.length).convert("RGBA"), chosen.shift)


def _corner(rng: Generator, size: tuple[int, int], side: int) -> tuple[int, int]:
    """Return where a drawing's left upper corner may be, so that of most drawings nothing is beyond the edge."""
    beyond = [length // 3 if rng.integers(4) == 0 else 0 for length in size]
    left, top = (int(rng.integers(-out, side - length + out + 1)) for length, out in zip(size, beyond, strict=True))
    return left, top


def _scaled(drawing: Image.Image, length: int) -> Image.Image:
    """Return a drawing whose longer side has so many pixels."""
    longer = max(drawing.size)
    width, height = (max(1, (side * length + longer // 2) // longer) for side in drawing.size)
    kind = Image.Resampling.BOX if longer > length else Image.Resampling.BILINEAR
    return drawing.resize((width, height), kind)


def _weighted(rng: Generator, values: Sequence[int], weights: Sequence[int]) -> int:
    drawn = int(rng.integers(sum(weights)))
    return next(value for value, end in zip(values, np.cumsum(weights), strict=True) if drawn < end)


def _shift(rng: Generator) -> int:
    """Return by how much hues are turned: not at all, as a rule."""
    return SHIFTS[int(rng.integers(len(SHIFTS)))] if rng.integers(5) < 2 else 0


class _Canvas:
    """A picture that objects are placed on, and which pixel is whose."""

    def __init__(self, image: Image.Image) -> None:
        self.image = image
        self._owner: NDArray[np.int16] = np.full((image.height, image.width), -1, dtype=np.int16)
        self._placed: list[tuple[_Chosen, Tint]] = []
        self._whole: list[int] = []
        self._seen: list[int] = []

    def place(self, drawing: Image.Image, chosen: _Chosen, tint: Tint, left: int, top: int) -> bool:
        """Place a drawing, if enough of it and of all that it covers stays to be seen; tells whether it did.

        Args:
            drawing: RGBA.
            chosen: What it is.
            tint: Its colour.
            left: Of its first pixel, which may be beyond the picture's edge.
            top: Likewise.
        """
        solid = np.asarray(drawing.getchannel("A")) >= SOLID
        first_x, first_y = max(0, -left), max(0, -top)
        region = self._owner[max(0, top) : top + drawing.height, max(0, left) : left + drawing.width]
        mask = solid[first_y : first_y + region.shape[0], first_x : first_x + region.shape[1]]
        whole, seen = int(solid.sum()), int(mask.sum())
        covered = np.bincount(region[mask] + 1, minlength=len(self._placed) + 1)[1:]
        left_over = [there - int(lost) for there, lost in zip(self._seen, covered, strict=True)]
        if not all(self._enough(row, pixels) for row, pixels in enumerate(left_over)):
            return False
        if not whole or seen < _least(chosen.length, self.image.width) * whole:
            return False
        self.image.paste(drawing, (left, top), drawing)
        region[mask] = len(self._placed)
        self._placed.append((chosen, tint))
        self._whole.append(whole)
        self._seen = [*left_over, seen]
        return True

    def objects(self) -> tuple[Placed, ...]:
        """Return what was placed, with the boxes of what is seen of it."""
        return tuple(self._object(row, chosen, tint) for row, (chosen, tint) in enumerate(self._placed))

    def _enough(self, row: int, pixels: int) -> bool:
        return pixels >= _least(self._placed[row][0].length, self.image.width) * self._whole[row]

    def _object(self, row: int, chosen: _Chosen, tint: Tint) -> Placed:
        mine = self._owner == row
        across, down = np.flatnonzero(mine.any(axis=0)), np.flatnonzero(mine.any(axis=1))
        return Placed(
            noun=chosen.thing.noun,
            box=(int(across[0]), int(down[0]), int(across[-1]) + 1, int(down[-1]) + 1),
            size=size_name(chosen.length, self.image.width),
            colour=tint.name,
            hints=tint.hints,
            visible=round(self._seen[row] / self._whole[row], 3),
            pixels=self._seen[row],
            style=chosen.style,
        )


def _least(length: int, side: int) -> float:
    return SEEN_SMALL if size_name(length, side) == "small" else SEEN
