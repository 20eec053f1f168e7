"""VQA's accuracy over ten people's answers, and its normalisation of answers.

The rule is that of Antol et al. 2015 as VQA v2's evaluation applies it (GT-Vision-Lab/VQA, vqaEval.py): an answer is
compared with every nine of the ten, each time worth min(1, those that gave it / 3), and the mean counts. Where the
ten are not all the same, they and the answer are normalised first; where they are, all is compared as it is. Older
copies of that program, which are still around, always normalise the model's answer, and of people's answers take out
the punctuation only.
"""

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType

MARKS = ';/[]"{}()=+\\_-><@`,?!'
"""Punctuation that is taken out; an apostrophe is none of it."""

ARTICLES = ("a", "an", "the")

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
NUMBERS: Mapping[str, str] = MappingProxyType({"none": "0", **{word: str(n) for n, word in enumerate(DIGITS)}})

CONTRACTIONS = (
    "ain't aren't can't could've couldn't couldn't've didn't doesn't don't hadn't hadn't've hasn't haven't he'd he'd've"
    " he's how'd how'll how's isn't it'd it'd've it'll ma'am mightn't mightn't've might've mustn't must've needn't"
    " not've o'clock oughtn't 'ow's'at shan't she'd've should've shouldn't shouldn't've somebody'd somebody'd've"
    " somebody'll somebody's someone'd someone'd've someone'll someone's something'd something'd've something'll that's"
    " there'd there'd've there're there's they'd they'd've they'll they're they've 'twas wasn't we'd've we've weren't"
    " what'll what're what's what've when's where'd where's where've who'd who'd've who'll who's who've why'll why're"
    " why's won't would've wouldn't wouldn't've y'all y'all'll y'all'd've you'd you'd've you'll you're you've"
)
"""Labels that people write without one of their apostrophes."""

_MISSPELT = MappingProxyType(
    {
        word[:place] + word[place + 1 :]: word
        for word in CONTRACTIONS.split()
        for place, char in enumerate(word)
        if char == "'"
    }
)
_COMMA_IN_NUMBER = re.compile(r"\d,\d")
_PERIOD = re.compile(r"\.(?!\d)")  # the original's "not after a digit" has no effect, as it is misspelt there


def normalised(answer: str) -> str:
    """Return an answer in lower case without punctuation and articles, number words as digits, apostrophes in place."""
    return _words(_without_marks(" ".join(answer.split())))


def accuracy(answer: str, people: Sequence[str]) -> float:
    """Return what an answer is worth, 0 to 1.

    Args:
        answer: The model's.
        people: Ten answers in VQA v2, at least one; the rule is the same for other numbers.
    """
    said, *given = (one.replace("\n", " ").replace("\t", " ").strip() for one in (answer, *people))
    if len(set(given)) > 1:
        said, given = normalised(said), [normalised(one) for one in given]
    same = sum(one == said for one in given)
    # Leaving out one of the `same` leaves `same - 1` of them, leaving out any other leaves all.
    return (same * min(1.0, (same - 1) / 3) + (len(given) - same) * min(1.0, same / 3)) / len(given)


def _without_marks(text: str) -> str:
    """Take punctuation out: nothing is left of it beside a space, or where a number has a comma; else a space is."""
    number = _COMMA_IN_NUMBER.search(text) is not None
    plain = text
    for mark in MARKS:
        beside = f"{mark} " in text or f" {mark}" in text
        plain = plain.replace(mark, "" if beside or number else " ")
    return _PERIOD.sub("", plain)


def _words(text: str) -> str:
    words = (NUMBERS.get(word, word) for word in text.lower().split())
    return " ".join(_MISSPELT.get(word, word) for word in words if word not in ARTICLES)
