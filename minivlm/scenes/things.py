"""What the world is made of: the classes, their words, and the words for colours, sizes and numbers."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from minivlm.storage.text_files import read_text

COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white", "grey")
SIZES = ("small", "medium", "large")
"""Of a drawing against its picture; no sentence says of a thing that it is medium."""
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
ANYTHING = "thing"
"""The noun that all objects answer to."""


@dataclass(frozen=True, kw_only=True)
class Thing:
    """One class.

    Attributes:
        code: Unicode's code point in hexadecimal capitals; names the drawings' files.
        noun: What it is called; the class's name.
        plural: Of the noun; always another word.
        group: A noun for it and its like, such as "animal", or "".
        cldr: Its short name in Unicode's CLDR (English).
        mozilla: The name of its drawing in Mozilla's set, or "".
    """

    code: str
    noun: str
    plural: str
    group: str
    cldr: str
    mozilla: str


@cache
def all_things() -> tuple[Thing, ...]:
    """Return the classes in the order of their ids, from things.tsv."""
    text = read_text(Path(__file__).with_name("things.tsv"), "the list of classes", "install the package again")
    return tuple(_thing(line) for line in text.splitlines() if not line.startswith("#"))


def _thing(line: str) -> Thing:
    code, noun, plural, group, cldr, mozilla = ("" if cell == "-" else cell for cell in line.split("\t"))
    return Thing(code=code, noun=noun, plural=plural, group=group, cldr=cldr or noun, mozilla=mozilla)


@cache
def thing_of() -> dict[str, Thing]:
    """Return noun -> class."""
    return {thing.noun: thing for thing in all_things()}


@cache
def class_ids() -> dict[str, int]:
    """Return noun -> the class's id, from 1, as COCO's categories have."""
    return {thing.noun: number for number, thing in enumerate(all_things(), start=1)}


@cache
def plurals() -> dict[str, str]:
    """Return every noun that a phrase can have -> its plural: classes, groups, and `ANYTHING`."""
    groups = sorted({thing.group for thing in all_things() if thing.group})
    return {thing.noun: thing.plural for thing in all_things()} | {noun: f"{noun}s" for noun in (*groups, ANYTHING)}


@cache
def answers() -> tuple[str, ...]:
    """Return every answer to a question of this world, in the order of their ids."""
    numbers = tuple(str(number) for number in range(len(NUMBERS)))
    sides = ("left", "right", "above", "below")
    nouns = tuple(thing.noun for thing in all_things())
    return ("yes", "no", *numbers, *COLOURS, "small", "large", *sides, *nouns)
