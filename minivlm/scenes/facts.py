"""What can be said about one scene or about two, and whether it is true.

A fact knows nothing of words: `wording` makes a sentence of it, and `reading` makes it of a sentence.
"""

from dataclasses import dataclass

from minivlm.scenes.scene import LARGER, Phrase, Placed, Scene


@dataclass(frozen=True)
class Count:
    """There are so many of something.

    Attributes:
        phrase: Of what.
        number: How many.
        least: At least so many, as in "there is a dog"; else exactly.
    """

    phrase: Phrase
    number: int
    least: bool = False

    def holds(self, scene: Scene) -> bool:
        """Tell whether it is true of a scene."""
        found = len(self.phrase.among(scene))
        return found >= self.number if self.least else found == self.number

    def phrases(self) -> tuple[Phrase, ...]:
        """Return what it speaks of."""
        return (self.phrase,)


@dataclass(frozen=True)
class More:
    """There are more, fewer, or as many of one thing as of another.

    Attributes:
        one: The one thing.
        order: "more", "fewer" or "as many".
        other: The other thing.
    """

    one: Phrase
    order: str
    other: Phrase

    def holds(self, scene: Scene) -> bool:
        """Tell whether it is true of a scene; of two things that are not there, nothing is."""
        return _compared(len(self.one.among(scene)), self.order, len(self.other.among(scene)))

    def phrases(self) -> tuple[Phrase, ...]:
        """Return what it speaks of."""
        return self.one, self.other


@dataclass(frozen=True)
class Related:
    """One object is beside another, or larger or smaller than it.

    Attributes:
        one: The one object.
        relation: One of `scene.BESIDE`, "larger" or "smaller".
        other: The other object.
        definite: There is only one of each, as in "the dog"; else any two will do, as in "a dog".
    """

    one: Phrase
    relation: str
    other: Phrase
    definite: bool = True

    def holds(self, scene: Scene) -> bool:
        """Tell whether it is true of a scene."""
        return self._holds(scene, barely=False)

    def arguable(self, scene: Scene) -> bool:
        """Tell whether it is nearly true, and too little to be called so."""
        return self._holds(scene, barely=True) != self._holds(scene, barely=False)

    def _holds(self, scene: Scene, *, barely: bool) -> bool:
        ones, others = self.one.among(scene), self.other.among(scene)
        if self.definite and not len(ones) == len(others) == 1:
            return False
        return any(self._of(scene, one, other, barely) for one in ones for other in others if one is not other)

    def _of(self, scene: Scene, one: Placed, other: Placed, barely: bool) -> bool:
        match self.relation:
            case "larger":
                return scene.larger(one, other, barely=barely)
            case "smaller":
                return scene.larger(other, one, barely=barely)
            case _:
                return scene.beside(one, self.relation, other, barely=barely)

    def phrases(self) -> tuple[Phrase, ...]:
        """Return what it speaks of."""
        return self.one, self.other


@dataclass(frozen=True)
class Located:
    """The only object of its kind is in one half of the picture.

    Attributes:
        phrase: The object.
        side: One of `scene.SIDES`.
    """

    phrase: Phrase
    side: str

    def holds(self, scene: Scene) -> bool:
        """Tell whether it is true of a scene."""
        return self._holds(scene, barely=False)

    def arguable(self, scene: Scene) -> bool:
        """Tell whether it is nearly true, and too little to be called so."""
        return self._holds(scene, barely=True) != self._holds(scene, barely=False)

    def _holds(self, scene: Scene, *, barely: bool) -> bool:
        found = self.phrase.among(scene)
        return len(found) == 1 and scene.on(found[0], self.side, barely=barely)

    def phrases(self) -> tuple[Phrase, ...]:
        """Return what it speaks of."""
        return (self.phrase,)


@dataclass(frozen=True)
class Extreme:
    """The clearly largest or smallest object of all is of some kind.

    Attributes:
        order: "largest" or "smallest".
        phrase: What it is.
    """

    order: str
    phrase: Phrase

    def holds(self, scene: Scene) -> bool:
        """Tell whether it is true of a scene."""
        found = extreme(scene, self.order)
        return found is not None and self.phrase.fits(found)

    def phrases(self) -> tuple[Phrase, ...]:
        """Return what it speaks of."""
        return (self.phrase,)


@dataclass(frozen=True)
class Both:
    """Several counts at once: "a dog and two apples"."""

    facts: tuple[Count, ...]

    def holds(self, scene: Scene) -> bool:
        """Tell whether all of it is true of a scene."""
        return all(fact.holds(scene) for fact in self.facts)

    def phrases(self) -> tuple[Phrase, ...]:
        """Return what it speaks of."""
        return tuple(fact.phrase for fact in self.facts)


Fact = Count | More | Related | Located | Extreme | Both
"""What is said about one scene."""


@dataclass(frozen=True)
class Pictured:
    """Something is true of one or two of two pictures.

    Attributes:
        which: "left", "right", "both", "neither", or "one" for exactly one.
        fact: What is true.
    """

    which: str
    fact: Count | Related

    def holds(self, left: Scene, right: Scene) -> bool:
        """Tell whether it is true of two scenes."""
        one, other = self.fact.holds(left), self.fact.holds(right)
        match self.which:
            case "left":
                return one
            case "right":
                return other
            case "both":
                return one and other
            case "neither":
                return not (one or other)
            case _:
                return one != other

    def phrases(self) -> tuple[Phrase, ...]:
        """Return what it speaks of."""
        return self.fact.phrases()


@dataclass(frozen=True)
class Total:
    """There are so many of something in two pictures together."""

    phrase: Phrase
    number: int

    def holds(self, left: Scene, right: Scene) -> bool:
        """Tell whether it is true of two scenes."""
        return len(self.phrase.among(left)) + len(self.phrase.among(right)) == self.number

    def phrases(self) -> tuple[Phrase, ...]:
        """Return what it speaks of."""
        return (self.phrase,)


@dataclass(frozen=True)
class Versus:
    """The left picture shows more, fewer or as many of something as the right one.

    Attributes:
        order: "more", "fewer" or "as many".
        phrase: Of what.
    """

    order: str
    phrase: Phrase

    def holds(self, left: Scene, right: Scene) -> bool:
        """Tell whether it is true of two scenes; of what neither shows, nothing is."""
        return _compared(len(self.phrase.among(left)), self.order, len(self.phrase.among(right)))

    def phrases(self) -> tuple[Phrase, ...]:
        """Return what it speaks of."""
        return (self.phrase,)


PairFact = Pictured | Total | Versus
"""What is said about two scenes."""


def extreme(scene: Scene, order: str) -> Placed | None:
    """Return the object that is clearly larger, or smaller, than each other one; None where there is no such."""
    if len(scene.objects) < 2:
        return None
    found = sorted(scene.objects, key=lambda one: one.area, reverse=order == "largest")
    first, second = (found[0], found[1]) if order == "largest" else (found[1], found[0])
    return found[0] if first.area >= LARGER * second.area else None


def _compared(one: int, order: str, other: int) -> bool:
    match order:
        case "more":
            return one > other
        case "fewer":
            return one < other
        case _:
            return one == other > 0
