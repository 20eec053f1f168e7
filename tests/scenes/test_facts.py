"""What is true of scenes that are written down; every expectation is read off the boxes."""

import pytest

from minivlm.scenes.facts import Located, Related, extreme
from minivlm.scenes.sampling import sure
from minivlm.scenes.scene import Phrase, size_name
from minivlm.scenes.truth import Verdict, judge, judge_pair
from tests.scenes.made_up import scene, thing

# A large red apple at the left, a small one at the right, a dog between them, lower, a bus at the top.
SHOWN = scene(
    thing("apple", (0, 80, 60, 140), "red", "large"),
    thing("apple", (170, 90, 190, 110), "green", "small"),
    thing("dog", (90, 150, 120, 180), "brown", hint="white"),
    thing("bus", (70, 0, 130, 40), "", "large", hint="yellow"),
)
OTHER = scene(thing("dog", (10, 10, 40, 40), "brown"), thing("dog", (100, 100, 150, 150), "black"))


@pytest.mark.parametrize(
    "text",
    [
        "an apple",
        "There is a dog.",
        "two apples",
        "there are two apples and a bus",
        "a picture of a bus, a dog and two apples",
        "a large red apple",
        "exactly one dog",
        "at least one apple",
        "there are no cats",
        "there is no green dog",
        "there is one vehicle",
        "the picture shows an animal",
        "four things",
        "the red apple is to the left of the dog",
        "the small apple is right of the bus",
        "the bus is above the dog",
        "a dog is below an apple",
        "a dog to the left of a green apple",
        "there is a dog below a bus",
        "the dog is larger than the green apple",
        "the green apple is smaller than the bus",
        "there are more apples than dogs",
        "there are fewer dogs than apples",
        "there are as many dogs as buses",
        "the bus is at the top",
        "the dog is at the bottom",
        "the red apple is on the left",
        "the largest thing is a red apple",
        "the smallest thing is an apple",
    ],
)
def test_true(text: str) -> None:
    assert judge(text, SHOWN) is Verdict.TRUE


@pytest.mark.parametrize(
    "text",
    [
        "a cat",
        "three apples",
        "one apple",
        "exactly one apple",
        "at least three apples",
        "there are no dogs",
        "a small dog",
        "a green bus",
        "a dog, a cat and two apples",
        "the apple is to the left of the dog",
        "the red apple is to the right of the dog",
        "the dog is above the bus",
        "a bus is below a dog",
        "the green apple is larger than the dog",
        "the dog is larger than the dog",
        "there are more dogs than apples",
        "there are as many cats as elephants",
        "the dog is on the left",
        "the largest thing is a dog",
        "five things",
    ],
)
def test_false(text: str) -> None:
    assert judge(text, SHOWN) is Verdict.FALSE


@pytest.mark.parametrize(
    "text",
    [
        "",
        "apple",
        "a nice apple",
        "a apple the dog",
        "an apple and",
        "the dog is",
        "the dog is above a bus",
        "there are more apples",
        "eleven apples",
        "a dog a dog is above a bus",
        "the left picture shows a dog",
        "[MASK] a dog",
    ],
)
def test_unreadable(text: str) -> None:
    assert judge(text, SHOWN) is Verdict.UNREADABLE


def test_words_that_a_tokenizer_took_apart_are_read() -> None:
    shown = scene(thing("jack-o-lantern", (0, 0, 50, 50)), thing("t-shirt", (100, 0, 150, 50)))
    assert judge("a jack - o - lantern is left of a t - shirt .", shown) is Verdict.TRUE


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("the left picture shows a bus", True),
        ("the right picture shows a bus", False),
        ("the right picture contains exactly one dog", False),
        ("the left picture contains exactly one dog", True),
        ("both pictures show a dog", True),
        ("both pictures contain a brown dog", True),
        ("both pictures show at least two things", True),
        ("both pictures show two dogs", False),
        ("neither picture shows a cat", True),
        ("neither picture shows a dog", False),
        ("only one of the pictures shows a black dog", True),
        ("only one of the pictures shows a brown dog", False),
        ("only one of the pictures contains a vehicle", True),
        ("there are three dogs in the two pictures together", True),
        ("there are two dogs in the two pictures together", False),
        ("there is exactly one bus in the two pictures together", True),
        ("the left picture shows more apples than the right picture", True),
        ("the left picture shows fewer dogs than the right picture", True),
        ("the left picture shows more dogs than the right picture", False),
        ("the left picture shows as many brown dogs as the right picture", True),
        ("the left picture shows as many cats as the right picture", False),
        ("the left picture shows a bus above a dog", True),
        ("the right picture shows a dog below a dog", True),
        ("the right picture shows a dog above an apple", False),
    ],
)
def test_two_pictures(text: str, expected: bool) -> None:
    assert judge_pair(text, SHOWN, OTHER) is (Verdict.TRUE if expected else Verdict.FALSE)


@pytest.mark.parametrize("text", ["", "a dog", "the left picture shows", "both picture shows a dog", "three dogs"])
def test_two_pictures_and_no_statement(text: str) -> None:
    assert judge_pair(text, SHOWN, OTHER) is Verdict.UNREADABLE


def test_centres_must_differ_by_a_twelfth_to_be_beside() -> None:
    # Centres at 50 and 66 of 200: 0.08, which is just enough; at 65 it is not.
    for left, expected in ((56, True), (55, False)):
        shown = scene(thing("dog", (40, 0, 60, 20)), thing("cat", (left, 100, left + 20, 120)))
        assert (judge("the dog is to the left of the cat", shown) is Verdict.TRUE) == expected


def test_areas_must_differ_by_half_to_be_larger() -> None:
    for width, expected in ((15, True), (14, False)):
        shown = scene(thing("dog", (0, 0, width, 10)), thing("cat", (100, 0, 110, 10)))
        assert (judge("the dog is larger than the cat", shown) is Verdict.TRUE) == expected
        assert (extreme(shown, "largest") is not None) == expected
        assert (extreme(shown, "smallest") is not None) == expected


def test_a_centre_must_be_off_the_middle_by_a_seventh_to_be_on_a_side() -> None:
    # Centres at 70 and 71 of 200: 0.15 off the middle, and not quite.
    for left, expected in ((60, True), (61, False)):
        shown = scene(thing("dog", (left, 0, left + 20, 20)))
        assert (judge("the dog is on the left", shown) is Verdict.TRUE) == expected


def test_what_is_true_by_little_is_arguable_and_not_asked() -> None:
    shown = scene(thing("dog", (40, 0, 60, 20)), thing("cat", (50, 100, 73, 120)))
    for fact, expected in (
        (Related(Phrase("dog"), "left", Phrase("cat")), True),  # by 11.5 of 200
        (Related(Phrase("cat"), "left", Phrase("dog")), False),
        (Related(Phrase("dog"), "above", Phrase("cat")), False),
        (Related(Phrase("cat"), "larger", Phrase("dog")), True),  # 460 to 400
        (Related(Phrase("cat"), "left", Phrase("dog"), definite=False), False),
        (Located(Phrase("cat"), "bottom"), True),  # its centre is at 110
        (Located(Phrase("cat"), "top"), False),
        (Located(Phrase("cat"), "left"), False),
    ):
        assert fact.arguable(shown) == expected
        assert sure(fact, shown) != expected


def test_one_thing_alone_is_neither_largest_nor_smallest() -> None:
    assert extreme(scene(thing("dog", (0, 0, 9, 9))), "largest") is None


def test_a_colour_that_could_be_meant_is_neither_there_nor_denied() -> None:
    phrase = Phrase("dog", "white")
    assert phrase.among(SHOWN) == []
    assert not phrase.clear(SHOWN)
    assert Phrase("dog", "red").clear(SHOWN)
    assert Phrase("dog", "brown").clear(SHOWN)
    assert Phrase("cat", "white").clear(SHOWN)


@pytest.mark.parametrize(("drawn", "name"), [(32, "small"), (33, "medium"), (55, "medium"), (56, "large")])
def test_sizes(drawn: int, name: str) -> None:
    assert size_name(drawn, 200) == name  # 0.16 and 0.28 of 200 are 32 and 56
