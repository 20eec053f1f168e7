"""Making sentences of facts: several ways to say one thing, each of which `reading` understands."""

from numpy.random import Generator

from minivlm.scenes.facts import Both, Count, Extreme, Fact, Located, More, PairFact, Pictured, Related, Total, Versus
from minivlm.scenes.scene import Phrase
from minivlm.scenes.things import NUMBERS, plurals

RELATIONS = {
    "left": ("to the left of", "left of"),
    "right": ("to the right of", "right of"),
    "above": ("above",),
    "below": ("below",),
    "larger": ("larger than", "bigger than"),
    "smaller": ("smaller than",),
}
PLACES = {"left": "on the left", "right": "on the right", "top": "at the top", "bottom": "at the bottom"}
SILENT = ("hourglass",)
"""Words that begin with a vowel to the ear only."""
ORDERS = {"more": ("more", "than"), "fewer": ("fewer", "than"), "as many": ("as many", "as")}


def sentence(fact: Fact, rng: Generator) -> str:
    """Return a caption that says a fact."""
    match fact:
        case Count():
            return _counted(fact, rng)
        case Both():
            return f"{_one_of(rng, _openings(fact.facts[0]))}{listed([amount(one) for one in fact.facts])}"
        case Related():
            one, other = _two(fact)
            link = "" if not fact.definite and fact.relation in ("left", "right") and rng.integers(2) else "is "
            return f"{one} {link}{_one_of(rng, RELATIONS[fact.relation])} {other}"
        case More():
            word, than = ORDERS[fact.order]
            return f"there are {word} {many(fact.one)} {than} {many(fact.other)}"
        case Located():
            return f"the {single(fact.phrase)} is {PLACES[fact.side]}"
        case Extreme():
            return f"the {fact.order} thing is {with_article(fact.phrase)}"


def asked(fact: Fact, rng: Generator) -> str:
    """Return the question whether a fact is true.

    Raises:
        ValueError: Nobody would ask that.
    """
    match fact:
        case Count(least=True, number=1):
            return _one_of(rng, ("is there {}?", "does the picture show {}?")).format(with_article(fact.phrase))
        case Count(least=False) if fact.number > 1:
            return f"are there exactly {amount(fact)}?"
        case Related(definite=True):
            one, other = _two(fact)
            return f"is {one} {_one_of(rng, RELATIONS[fact.relation])} {other}?"
        case More():
            word, than = ORDERS[fact.order]
            return f"are there {word} {many(fact.one)} {than} {many(fact.other)}?"
        case Located():
            return f"is the {single(fact.phrase)} {PLACES[fact.side]}?"
        case Extreme():
            return f"is the {fact.order} thing {with_article(fact.phrase)}?"
        case _:
            raise ValueError(f"no question for {fact}")


def statement(fact: PairFact, rng: Generator) -> str:
    """Return what NLVR2 would have: a sentence about a left and a right picture."""
    match fact:
        case Pictured():
            verb = _one_of(rng, ("shows", "contains"))
            subject, verb = {
                "left": ("the left picture", verb),
                "right": ("the right picture", verb),
                "both": ("both pictures", verb[:-1]),
                "neither": ("neither picture", verb),
                "one": ("only one of the pictures", verb),
            }[fact.which]
            return f"{subject} {verb} {_shown(fact.fact, rng)}"
        case Total():
            are = "is" if fact.number == 1 else "are"
            return f"there {are} {amount(Count(fact.phrase, fact.number))} in the two pictures together"
        case Versus():
            word, than = ORDERS[fact.order]
            return f"the left picture shows {word} {many(fact.phrase)} {than} the right picture"


def amount(count: Count) -> str:
    """Return a count as part of a sentence: "a red apple", "exactly one dog", "two dogs", "no dogs"."""
    if count.least and count.number == 1:
        return with_article(count.phrase)
    if count.number == 1:
        return f"exactly one {single(count.phrase)}"
    return f"{NUMBERS[count.number]} {many(count.phrase)}"


def single(phrase: Phrase) -> str:
    """Return a phrase for one object, without an article."""
    return " ".join(word for word in (phrase.size, phrase.colour, phrase.noun) if word)


def many(phrase: Phrase) -> str:
    """Return a phrase for several objects."""
    return " ".join(word for word in (phrase.size, phrase.colour, plurals()[phrase.noun]) if word)


def with_article(phrase: Phrase) -> str:
    """Return a phrase for one object, with "a" or "an"."""
    text = single(phrase)
    return f"{'an' if text[0] in 'aeiou' or text.startswith(SILENT) else 'a'} {text}"


def listed(parts: list[str]) -> str:
    """Return parts as one says them: "a, b and c"."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _counted(fact: Count, rng: Generator) -> str:
    if fact.number == 0:
        return f"there {_one_of(rng, (f'are no {many(fact.phrase)}', f'is no {single(fact.phrase)}'))}"
    if fact.least and fact.number > 1:
        return f"there are at least {NUMBERS[fact.number]} {many(fact.phrase)}"
    return f"{_one_of(rng, _openings(fact))}{amount(fact)}"


def _openings(first: Count) -> tuple[str, ...]:
    there = "there is " if first.number == 1 else "there are "
    return there, "", "a picture of ", "the picture shows "


def _shown(fact: Count | Related, rng: Generator) -> str:
    if isinstance(fact, Count):
        return (
            f"at least {NUMBERS[fact.number]} {many(fact.phrase)}" if fact.least and fact.number > 1 else amount(fact)
        )
    one, other = _two(fact)
    return f"{one} {_one_of(rng, RELATIONS[fact.relation])} {other}"


def _two(fact: Related) -> tuple[str, str]:
    if fact.definite:
        return f"the {single(fact.one)}", f"the {single(fact.other)}"
    return with_article(fact.one), with_article(fact.other)


def _one_of(rng: Generator, ways: tuple[str, ...]) -> str:
    return ways[int(rng.integers(len(ways)))]
