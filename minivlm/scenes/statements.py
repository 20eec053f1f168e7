"""Statements about two pictures, half of them true."""

from collections.abc import Callable
from dataclasses import dataclass

from numpy.random import Generator

from minivlm.scenes.facts import Count, PairFact, Pictured, Related, Total, Versus
from minivlm.scenes.ghosts import ghost
from minivlm.scenes.sampling import any_object, count, describe, loosely_related, presence, several
from minivlm.scenes.scene import Phrase, Scene
from minivlm.scenes.things import NUMBERS
from minivlm.scenes.wording import statement

STATEMENTS = 4
"""For a pair of pictures: half true, half false."""
TRIES = 200
TRIES_OF_A_KIND = 25


@dataclass(frozen=True)
class Statement:
    """A sentence about two pictures.

    Attributes:
        text: The sentence.
        true: Whether it is true.
    """

    text: str
    true: bool


Pair = tuple[Scene, Scene]
Maker = Callable[[Pair, tuple[str, ...], Generator], PairFact | None]


def statements(left: Scene, right: Scene, nouns: tuple[str, ...], rng: Generator) -> list[Statement]:
    """Return different statements, as many true as false ones.

    Args:
        left: The left picture.
        right: The right picture.
        nouns: Classes of their world, for what they do not show.
        rng: Decides what is said.
    """
    found: dict[str, Statement] = {}
    for _ in range(TRIES):
        if len(found) == STATEMENTS:
            break
        maker = MAKERS[int(rng.integers(len(MAKERS)))]
        # A true one and a false one of each kind, or to know the kind would be to know the label.
        both = [_first(maker, (left, right), nouns, rng, true=true) for true in (True, False)]
        texts = {one.text for one in both if one is not None}
        if len(texts) == len(both) and not texts & found.keys():
            found |= {one.text: one for one in both if one is not None}
    made = list(found.values())
    return [made[int(row)] for row in rng.permutation(len(made))]


def _first(maker: Maker, pair: Pair, nouns: tuple[str, ...], rng: Generator, *, true: bool) -> Statement | None:
    """Return a statement of a kind that is true, or false, of two pictures; None if none was found."""
    for _ in range(TRIES_OF_A_KIND):
        shown = pair if true else _ghosts(*pair, nouns, rng)
        fact = maker(shown, nouns, rng)
        if fact is not None and fact.holds(*shown) and fact.holds(*pair) == true and _sure(fact, *pair):
            return Statement(statement(fact, rng), true)
    return None


def _ghosts(left: Scene, right: Scene, nouns: tuple[str, ...], rng: Generator) -> Pair:
    """Return two pictures of which something is true that is not of these: changed, or in each other's place."""
    match int(rng.integers(4)):
        case 0:
            return right, left
        case 1:
            return ghost(left, nouns, rng), right
        case 2:
            return left, ghost(right, nouns, rng)
        case _:
            return ghost(left, nouns, rng), ghost(right, nouns, rng)


def _sure(fact: PairFact, left: Scene, right: Scene) -> bool:
    for scene in (left, right):
        if not all(phrase.clear(scene) for phrase in fact.phrases()):
            return False
        if isinstance(fact, Pictured) and isinstance(fact.fact, Related) and fact.fact.arguable(scene):
            return False
    return True


def _one_side(shown: Pair, nouns: tuple[str, ...], rng: Generator) -> PairFact | None:
    row = int(rng.integers(2))
    sampler = (presence, count, several, loosely_related)[int(rng.integers(4))]
    fact = sampler(shown[row], rng)
    return Pictured(("left", "right")[row], fact) if fact is not None else None


def _both(shown: Pair, nouns: tuple[str, ...], rng: Generator) -> PairFact | None:
    phrase = _phrase(shown, rng)
    numbers = [len(phrase.among(scene)) for scene in shown]
    if rng.integers(2) and numbers[0] == numbers[1]:
        return Pictured("both", Count(phrase, numbers[0])) if 0 < numbers[0] < len(NUMBERS) else None
    return Pictured("both", Count(phrase, int(rng.integers(1, 3)), least=True))


def _one(shown: Pair, nouns: tuple[str, ...], rng: Generator) -> PairFact | None:
    return Pictured("one", Count(_phrase(shown, rng), int(rng.integers(1, 3)), least=True))


def _neither(shown: Pair, nouns: tuple[str, ...], rng: Generator) -> PairFact | None:
    phrase = _phrase((ghost(shown[0], nouns, rng), ghost(shown[1], nouns, rng)), rng)
    return Pictured("neither", Count(phrase, int(rng.integers(1, 3)), least=True))


def _total(shown: Pair, nouns: tuple[str, ...], rng: Generator) -> PairFact | None:
    phrase = _phrase(shown, rng)
    number = sum(len(phrase.among(scene)) for scene in shown)
    return Total(phrase, number) if number < len(NUMBERS) else None


def _versus(shown: Pair, nouns: tuple[str, ...], rng: Generator) -> PairFact | None:
    order = ("more", "fewer", "as many")[int(rng.integers(3))]
    return Versus(order, _phrase(shown, rng))


def _phrase(shown: Pair, rng: Generator) -> Phrase:
    return describe(any_object(shown[int(rng.integers(2))], rng), rng)


MAKERS: tuple[Maker, ...] = (_one_side, _one_side, _both, _one, _neither, _total, _versus)
