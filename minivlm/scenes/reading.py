"""Reading sentences back: from words to facts, or to nothing where a sentence is not of this world's language.

Capitals, punctuation and hyphens do not matter: a tokenizer takes words apart and puts spaces where none were.
"""

import re
from collections.abc import Mapping, Sequence
from functools import cache

from minivlm.scenes.facts import Both, Count, Extreme, Fact, Located, More, PairFact, Pictured, Related, Total, Versus
from minivlm.scenes.scene import Phrase
from minivlm.scenes.things import COLOURS, NUMBERS, plurals
from minivlm.scenes.wording import ORDERS, PLACES, RELATIONS

OPENINGS = (
    ("there", "is"),
    ("there", "are"),
    ("a", "picture", "of"),
    ("the", "picture", "shows"),
    ("this", "picture", "shows"),
)
PICTURES = {
    "left": ("the", "left", "picture"),
    "right": ("the", "right", "picture"),
    "both": ("both", "pictures"),
    "neither": ("neither", "picture"),
    "one": ("only", "one", "of", "the", "pictures"),
}
VERBS = ("shows", "show", "contains", "contain")


class _Words:
    """Words that are read from left to right."""

    def __init__(self, text: str) -> None:
        self.words = tuple(re.findall(r"[a-z0-9]+", text.lower()))
        self.at = 0

    def take(self, *expected: str) -> bool:
        """Go on after these words if they come next."""
        there = self.words[self.at : self.at + len(expected)] == expected
        if there:
            self.at += len(expected)
        return there

    def take_any(self, ways: Sequence[Sequence[str]]) -> bool:
        """Go on after the first of these that comes next."""
        return any(self.take(*way) for way in ways)

    @property
    def done(self) -> bool:
        """Whether all is read."""
        return self.at == len(self.words)


def read_caption(text: str) -> Fact | None:
    """Return the fact that a sentence about one picture states; None if it cannot be read."""
    for reader in (_more, _extreme, _located, _related, _both):
        words = _Words(text)
        found = reader(words)
        if found is not None and words.done:
            return found
    return None


def read_statement(text: str) -> PairFact | None:
    """Return the fact that a sentence about two pictures states; None if it cannot be read."""
    for reader in (_versus, _total, _pictured):
        words = _Words(text)
        found = reader(words)
        if found is not None and words.done:
            return found
    return None


def _more(words: _Words) -> More | None:
    if not words.take("there", "are"):
        return None
    for order, (word, than) in ORDERS.items():
        if words.take(*word.split()):
            one = _phrase(words, _plurals())
            other = _phrase(words, _plurals()) if one and words.take(than) else None
            return More(one, order, other) if one and other else None
    return None


def _extreme(words: _Words) -> Extreme | None:
    for order in ("largest", "smallest"):
        if words.take("the", order, "thing", "is"):
            found = _amount(words)
            return Extreme(order, found.phrase) if isinstance(found, Count) and found.least else None
    return None


def _located(words: _Words) -> Located | None:
    phrase = _phrase(words, _singulars()) if words.take("the") else None
    if phrase is None:
        return None
    words.take("is")
    side = next((side for side, place in PLACES.items() if words.take(*place.split())), None)
    return Located(phrase, side) if side else None


def _related(words: _Words) -> Related | None:
    """Read "the dog is above the cat" and, with or without an opening, "a dog above a cat"."""
    words.take_any(OPENINGS)
    return _relation(words)


def _relation(words: _Words) -> Related | None:
    definite = words.take("the")
    one = _phrase(words, _singulars()) if definite or words.take_any((("a",), ("an",))) else None
    if one is None:
        return None
    words.take("is")
    ways = ((name, way.split()) for name, ways in RELATIONS.items() for way in ways)
    relation = next((name for name, way in ways if words.take(*way)), None)
    if relation is None or not words.take_any((("the",),) if definite else (("a",), ("an",))):
        return None
    other = _phrase(words, _singulars())
    return Related(one, relation, other, definite) if other else None


def _both(words: _Words) -> Count | Both | None:
    words.take_any(OPENINGS)
    found = []
    while True:
        one = _amount(words)
        if one is None:
            return None
        found.append(one)
        if words.done:
            return found[0] if len(found) == 1 else Both(tuple(found))
        words.take("and")  # a comma is no word


def _versus(words: _Words) -> Versus | None:
    if not (words.take(*PICTURES["left"]) and words.take_any([(verb,) for verb in VERBS])):
        return None
    for order, (word, than) in ORDERS.items():
        if words.take(*word.split()):
            phrase = _phrase(words, _plurals())
            return Versus(order, phrase) if phrase and words.take(than, *PICTURES["right"]) else None
    return None


def _total(words: _Words) -> Total | None:
    if not words.take_any((("there", "is"), ("there", "are"))):
        return None
    found = _amount(words)
    if found is None or found.least or not words.take("in", "the", "two", "pictures", "together"):
        return None
    return Total(found.phrase, found.number)


def _pictured(words: _Words) -> Pictured | None:
    which = next((name for name, subject in PICTURES.items() if words.take(*subject)), None)
    if which is None or not words.take_any([(verb,) for verb in VERBS]):
        return None
    start = words.at
    for reader in (_relation, _amount):
        words.at = start
        found = reader(words)
        if found is not None and words.done:
            return Pictured(which, found)
    return None


def _amount(words: _Words) -> Count | None:
    """Read how many of something: "a dog", "exactly one dog", "at least two dogs", "two dogs", "no dogs"."""
    if words.take_any((("a",), ("an",))):
        phrase = _phrase(words, _singulars())
        return Count(phrase, 1, least=True) if phrase else None
    least = words.take("at", "least")
    if not least:
        words.take_any((("exactly",), ("only",)))
    number = next((number for number, word in enumerate(NUMBERS) if words.take(word) or words.take(str(number))), None)
    if number is None:
        return None
    nouns = _singulars() if number == 1 else _plurals() if number else _singulars() | _plurals()
    phrase = _phrase(words, nouns)
    return Count(phrase, number, least) if phrase else None


def _phrase(words: _Words, nouns: Mapping[tuple[str, ...], str]) -> Phrase | None:
    """Read size, colour and noun, the longest that fits of those of one number."""
    size = next((size for size in ("small", "large") if words.take(size)), "")
    colour = next((colour for colour in COLOURS if words.take(colour)), "")
    for length in range(_longest(), 0, -1):
        form = words.words[words.at : words.at + length]
        noun = nouns.get(form)
        if noun is not None:
            words.at += len(form)
            return Phrase(noun, colour, size)
    return None


@cache
def _singulars() -> dict[tuple[str, ...], str]:
    """Return the words of every noun -> the noun."""
    return {_Words(noun).words: noun for noun in plurals()}


@cache
def _plurals() -> dict[tuple[str, ...], str]:
    """Return the words of every plural -> its noun."""
    return {_Words(plural).words: noun for noun, plural in plurals().items()}


@cache
def _longest() -> int:
    return max(map(len, (*_singulars(), *_plurals())))
