"""BLEU-4 and CIDEr-D against pycocoevalcap, and what holds for any captions."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minivlm.evaluation.caption_words import caption_words
from minivlm.evaluation.captions import bleu4, cider_d

REFERENCES = [
    [
        "A brown dog runs across the green grass.",
        "The dog is running in a field of grass.",
        "A dog runs on grass",
    ],
    ["Two people sit at a wooden table with food.", "A man and a woman eating at a table."],
    ["A red bus drives down the city street.", "The red double-decker bus is on the street."],
    ["A cat sleeps on a couch.", "There is a cat that's sleeping on the couch.", "A cat lying on a sofa"],
    ["A man can't ride the horse (yet)."],
    ["A group of giraffes standing in tall, dry grass."],
]
CANDIDATES = [
    "a brown dog runs in a field of grass",
    "two people sit at a table",
    "a red bus drives down the street",
    "a cat sleeps on a couch",
    "a bicycle",
    "a group of zebras standing in tall grass",
]
# What pycocoevalcap 1.2 (PTBTokenizer, Bleu(4) and Cider()) gives for these captions.
BLEU_4 = 0.5245519927050258
CIDER = [3.4224143122557726, 3.712501417021503, 4.805761605863028, 4.394684407914207, 0.0, 3.894308666250911]

SAID = [caption_words(text) for text in CANDIDATES]
WANTED = [[caption_words(text) for text in texts] for texts in REFERENCES]


def test_bleu_4_is_pycocoevalcap_s() -> None:
    # It adds 1e-9 to every count, which moves its result by some 1e-10.
    assert bleu4(SAID, WANTED) == pytest.approx(BLEU_4, abs=1e-8)


def test_cider_d_is_pycocoevalcap_s() -> None:
    assert cider_d(SAID, WANTED) == pytest.approx(CIDER, abs=1e-12)


def test_words_that_are_said_too_often_are_pycocoevalcap_s() -> None:
    said = ["red red red bus bus on the street", "dogs on on the grass grass", "a man a man on a horse"]
    wanted = [["a red red bus on the street", "the bus is red"], ["two dogs on the grass"], ["a man on a horse"]]
    words, references = [one.split() for one in said], [[one.split() for one in many] for many in wanted]
    # Bleu(4) and Cider() of pycocoevalcap 1.2.
    assert bleu4(words, references) == pytest.approx(0.48549177167659496, abs=1e-8)
    expected = [2.864085878998784, 3.4863597029283087, 6.688280793242179]
    assert cider_d(words, references) == pytest.approx(expected, abs=1e-12)


def test_bleu_4_by_hand() -> None:
    # 5 of 6 words, 3 of 5 pairs, 2 of 4 triples, 1 of 3 fours; the closest reference has 7 words, and so the penalty.
    said, wanted = ["a", "b", "c", "d", "x", "e"], [["a", "b", "c", "d", "e", "f", "g"], ["z"] * 9]
    expected = (5 / 6 * 3 / 5 * 2 / 4 * 1 / 3) ** 0.25 * math.exp(1 - 7 / 6)
    assert bleu4([said], [wanted]) == pytest.approx(expected, abs=1e-12)


def test_a_word_counts_as_often_as_one_reference_has_it() -> None:
    wanted = [["the", "cat", "is", "on", "the", "mat"]]
    assert bleu4([["the"] * 6], [wanted]) == 0.0  # Papineni et al.: 2 of 6 words, and no pair
    assert bleu4([], []) == 0.0
    assert bleu4([[]], [wanted]) == 0.0


WORDS = st.lists(st.sampled_from(["a", "cat", "dog", "on", "the", "red", "mat", "sits"]), max_size=9)
SENTENCES = st.lists(st.sampled_from(["a", "cat", "dog", "on", "the", "red", "mat", "sits"]), min_size=4, max_size=9)
SET = st.lists(st.tuples(WORDS, st.lists(SENTENCES, min_size=1, max_size=3)), min_size=2, max_size=5)


@given(pairs=SET, data=st.data())
def test_scores_are_in_range_and_the_order_of_pictures_does_not_matter(
    pairs: list[tuple[list[str], list[list[str]]]], data: st.DataObject
) -> None:
    said, wanted = [one for one, _ in pairs], [many for _, many in pairs]
    assert 0.0 <= bleu4(said, wanted) <= 1.0 + 1e-12
    scores = cider_d(said, wanted)
    assert all(0.0 <= one <= 10.0 + 1e-9 for one in scores)
    order = data.draw(st.permutations(range(len(pairs))))
    said, wanted = [said[place] for place in order], [wanted[place] for place in order]
    assert bleu4(said, wanted) == pytest.approx(bleu4([one for one, _ in pairs], [many for _, many in pairs]))
    assert cider_d(said, wanted) == pytest.approx([scores[place] for place in order])


@given(references=st.lists(SENTENCES, min_size=1, max_size=4))
def test_repeating_a_reference_is_bleu_4_of_1(references: list[list[str]]) -> None:
    assert bleu4(references, [[one] for one in references]) == pytest.approx(1.0)


def test_repeating_the_only_reference_is_cider_d_of_10_where_captions_share_nothing() -> None:
    captions = ["a red bus stops here", "two dogs run on grass"]
    words = [text.split() for text in captions]
    assert cider_d(words, [[one] for one in words]) == pytest.approx([10.0, 10.0])


@given(said=WORDS)
def test_unknown_words_are_worth_nothing(said: list[str]) -> None:
    wanted = [[["one", "two", "three", "four"]], [["five", "six", "seven", "eight"]]]
    assert cider_d([said, said], wanted) == [0.0, 0.0]
    assert bleu4([said, said], wanted) == 0.0
