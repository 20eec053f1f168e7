"""What is in a picture: objects with their places and attributes, and how they stand to each other."""

from dataclasses import dataclass

from minivlm.scenes.things import ANYTHING, thing_of

APART = 0.08
"""Share of the picture's side by which centres must differ for one thing to be beside another."""
LARGER = 1.5
"""How many times the area of its box a thing must have to be larger than another."""
SMALL, LARGE = 16, 28
"""Percent of the picture's side up to which a drawing's longer side is small, and from which it is large."""
MIDDLE = 0.15
"""Share of the picture's side by which a centre must be off the middle to be on the left or right, top or bottom."""

BESIDE = ("left", "right", "above", "below")
SIDES = ("left", "right", "top", "bottom")

Box = tuple[int, int, int, int]
"""Left, top, right and bottom, in pixels; right and bottom are the first ones beyond."""


@dataclass(frozen=True, kw_only=True)
class Placed:
    """One object of a scene.

    Attributes:
        noun: Its class.
        box: Of what is seen of it.
        size: One of `things.SIZES`, of the whole drawing against the picture.
        colour: One of `things.COLOURS`, or "" if it has many.
        hints: Colours that somebody could call it; holds `colour`.
        visible: Share of the drawing that is neither covered nor beyond the picture's edge.
        pixels: Number of pixels that are seen of it.
        style: Whose drawing it is, or "".
    """

    noun: str
    box: Box
    size: str
    colour: str
    hints: tuple[str, ...]
    visible: float = 1.0
    pixels: int = 0
    style: str = ""

    @property
    def group(self) -> str:
        """The noun of its group, or ""."""
        return thing_of()[self.noun].group

    @property
    def centre(self) -> tuple[float, float]:
        """Of its box: across and down, in pixels."""
        left, top, right, bottom = self.box
        return (left + right) / 2, (top + bottom) / 2

    @property
    def area(self) -> int:
        """Of its box, in pixels."""
        left, top, right, bottom = self.box
        return (right - left) * (bottom - top)


@dataclass(frozen=True, kw_only=True)
class Scene:
    """All that a picture shows.

    Attributes:
        side: Pixels a side of the picture, which is square.
        objects: From the back to the front.
    """

    side: int
    objects: tuple[Placed, ...]

    def beside(self, one: Placed, relation: str, other: Placed, *, barely: bool = False) -> bool:
        """Tell whether one object is to the left or right of another, or above or below it.

        Args:
            one: The one object.
            relation: One of `BESIDE`.
            other: The other object.
            barely: By however little; as in the next two.
        """
        across = (other.centre[0] - one.centre[0]) / self.side
        down = (other.centre[1] - one.centre[1]) / self.side
        return {"left": across, "right": -across, "above": down, "below": -down}[relation] >= (0 if barely else APART)

    def on(self, one: Placed, side: str, *, barely: bool = False) -> bool:
        """Tell whether an object is on the left or right of the picture, or at its top or bottom."""
        across, down = (place / self.side - 0.5 for place in one.centre)
        return {"left": -across, "right": across, "top": -down, "bottom": down}[side] >= (0 if barely else MIDDLE)

    def larger(self, one: Placed, other: Placed, *, barely: bool = False) -> bool:
        """Tell whether one object is larger than another."""
        return one.area >= (1 if barely else LARGER) * other.area


@dataclass(frozen=True)
class Phrase:
    """A description that objects answer to or not.

    Attributes:
        noun: A class, a group of classes, or `things.ANYTHING`.
        colour: One of `things.COLOURS`, or "" for any.
        size: "small", "large", or "" for any.
    """

    noun: str
    colour: str = ""
    size: str = ""

    def fits(self, one: Placed) -> bool:
        """Tell whether an object answers to it."""
        return self.colour in ("", one.colour) and self._names(one)

    def vague(self, one: Placed) -> bool:
        """Tell whether it could be argued that an object answers to it, by a colour that is not its main one."""
        return self.colour not in ("", one.colour) and self.colour in one.hints and self._names(one)

    def _names(self, one: Placed) -> bool:
        if self.size not in ("", one.size):
            return False
        return self.noun == one.noun or (self.noun not in thing_of() and self.noun in (one.group, ANYTHING))

    def among(self, scene: Scene) -> list[Placed]:
        """Return the objects of a scene that answer to it."""
        return [one for one in scene.objects if self.fits(one)]

    def clear(self, scene: Scene) -> bool:
        """Tell whether nobody could argue about which objects of a scene answer to it."""
        return not any(self.vague(one) for one in scene.objects)


def size_name(drawn: int, side: int) -> str:
    """Return one of `things.SIZES`.

    Args:
        drawn: Longer side of the whole drawing, in pixels.
        side: Of the picture, in pixels.
    """
    return "small" if 100 * drawn <= SMALL * side else "large" if 100 * drawn >= LARGE * side else "medium"
