"""Questions about a scene, each with one answer that nobody can argue about."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from numpy.random import Generator

from minivlm.scenes.facts import Fact, extreme
from minivlm.scenes.ghosts import ghost
from minivlm.scenes.sampling import SAMPLERS, any_object, describe, only, sure, two_objects
from minivlm.scenes.scene import BESIDE, Phrase, Scene
from minivlm.scenes.things import ANYTHING, NUMBERS
from minivlm.scenes.wording import RELATIONS, asked, many, single

QUESTIONS = 6
YES_OR_NO = ("presence", "several", "more", "related", "located", "largest")
TRIES = 40
TRIES_OF_A_KIND = 10


@dataclass(frozen=True)
class Question:
    """A question with its answer.

    Attributes:
        text: As asked.
        answer: One of `things.answers()`.
        kind: VQA's "answer type": "yes/no", "number" or "other".
    """

    text: str
    answer: str
    kind: str


def questions(scene: Scene, nouns: tuple[str, ...], rng: Generator, rounds: int = 1) -> list[Question]:
    """Return different questions: a round is two of yes or no, one of how many, three others where the scene allows.

    Args:
        scene: Asked about.
        nouns: Classes of its world, for what it does not show.
        rng: Decides what is asked.
        rounds: How often; the first asks the same whatever follows.
    """
    found: dict[str, Question] = {}
    for _ in range(rounds):
        truths = [bool(rng.integers(2)) for _ in range(2)]  # decided before any try: a no is harder to find
        makers: list[Maker] = [
            *(partial(_yes_or_no, true=true) for true in truths),
            _how_many,
            *[_other] * (QUESTIONS - len(truths) - 1),
        ]
        for maker in makers:
            for _ in range(TRIES):
                question = maker(scene, nouns, rng)
                if question is not None and question.text not in found:
                    found[question.text] = question
                    break
    return list(found.values())


Maker = Callable[[Scene, tuple[str, ...], Generator], Question | None]


def _yes_or_no(scene: Scene, nouns: tuple[str, ...], rng: Generator, *, true: bool) -> Question | None:
    """Ask for the truth of a fact."""
    kind = YES_OR_NO[int(rng.integers(len(YES_OR_NO)))]
    # Both are looked for: if one were easier to find, to know the kind of question would be to know the answer.
    facts = {way: _first(kind, scene, nouns, rng, true=way) for way in (True, False)}
    fact = facts[true]
    if fact is None or facts[not true] is None:
        return None
    return Question(asked(fact, rng), "yes" if true else "no", "yes/no")


def _first(kind: str, scene: Scene, nouns: tuple[str, ...], rng: Generator, *, true: bool) -> Fact | None:
    found = (true_or_false(kind, scene, nouns, rng, true=true) for _ in range(TRIES_OF_A_KIND))
    return next((fact for fact in found if fact is not None), None)


def true_or_false(kind: str, scene: Scene, nouns: tuple[str, ...], rng: Generator, *, true: bool) -> Fact | None:
    """Find a fact of a kind that is beyond argument true, or false, of a scene; None if this try found none."""
    shown = scene if true else ghost(scene, nouns, rng)
    fact = SAMPLERS[kind](shown, rng)
    if fact is None or fact.holds(scene) != true or not sure(fact, scene) or not fact.holds(shown):
        return None
    return fact


def _how_many(scene: Scene, nouns: tuple[str, ...], rng: Generator) -> Question | None:
    """Ask how many: all numbers that the scene has an example of are equally likely, or "1" would be most answers."""
    by_number: dict[int, list[Phrase]] = {}
    for _ in range(TRIES // 2):
        shown = scene if rng.integers(4) else ghost(scene, nouns, rng)
        phrase = describe(any_object(shown, rng), rng)
        number = len(phrase.among(scene))
        if phrase.clear(scene) and number < len(NUMBERS):
            by_number.setdefault(number, []).append(phrase)
    if not by_number:
        return None
    numbers = sorted(by_number)
    number = numbers[int(rng.integers(len(numbers)))]
    phrases = by_number[number]
    return Question(f"how many {many(phrases[int(rng.integers(len(phrases)))])} are there?", str(number), "number")


def _other(scene: Scene, nouns: tuple[str, ...], rng: Generator) -> Question | None:
    maker = (_colour, _colour, _which, _beside, _size, _side, _largest)[int(rng.integers(7))]
    return maker(scene, rng)


def _colour(scene: Scene, rng: Generator) -> Question | None:
    one = any_object(scene, rng)
    phrase = only(one, scene, rng)
    if phrase is None or phrase.colour or not one.colour or phrase.noun == ANYTHING:
        return None
    return Question(f"what colour is the {single(phrase)}?", one.colour, "other")


def _which(scene: Scene, rng: Generator) -> Question | None:
    one = any_object(scene, rng)
    phrase = Phrase(ANYTHING, one.colour, one.size if one.size != "medium" and rng.integers(2) else "")
    if not one.colour or len(phrase.among(scene)) != 1 or not phrase.clear(scene):
        return None
    return Question(f"what is the {single(phrase)}?", one.noun, "other")


def _beside(scene: Scene, rng: Generator) -> Question | None:
    other = any_object(scene, rng)
    relation = BESIDE[int(rng.integers(len(BESIDE)))]
    phrase = only(other, scene, rng)
    found = [one for one in scene.objects if one is not other and scene.beside(one, relation, other)]
    if phrase is None or len(found) != 1:
        return None
    return Question(f"what is {RELATIONS[relation][0]} the {single(phrase)}?", found[0].noun, "other")


def _size(scene: Scene, rng: Generator) -> Question | None:
    one = any_object(scene, rng)
    phrase = only(one, scene, rng)
    if phrase is None or phrase.size or one.size == "medium":
        return None
    return Question(f"is the {single(phrase)} small or large?", one.size, "other")


def _side(scene: Scene, rng: Generator) -> Question | None:
    two = two_objects(scene, rng)
    if two is None:
        return None
    phrases = [only(one, scene, rng) for one in two]
    pair = BESIDE[:2] if rng.integers(2) else BESIDE[2:]
    answer = next((relation for relation in pair if scene.beside(two[0], relation, two[1])), None)
    if phrases[0] is None or phrases[1] is None or answer is None:
        return None
    where = "to the left or to the right of" if "left" in pair else "above or below"
    return Question(f"is the {single(phrases[0])} {where} the {single(phrases[1])}?", answer, "other")


def _largest(scene: Scene, rng: Generator) -> Question | None:
    order = ("largest", "smallest")[int(rng.integers(2))]
    found = extreme(scene, order)
    return Question(f"what is the {order} thing?", found.noun, "other") if found is not None else None
