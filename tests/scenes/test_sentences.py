"""What is said about composed scenes is true, and the words alone do not tell what is."""

import re
from collections import Counter
from collections.abc import Sequence

import pytest

from minivlm.scenes.captions import CAPTIONS, captions
from minivlm.scenes.composing import Composer
from minivlm.scenes.ghosts import ghost
from minivlm.scenes.questions import QUESTIONS, Question, questions
from minivlm.scenes.scene import Scene
from minivlm.scenes.statements import STATEMENTS, Statement, statements
from minivlm.scenes.things import answers
from minivlm.scenes.truth import Verdict, judge, judge_pair
from tests.scenes.made_up import scene, thing

MOST_OF_A_NUMBER, MOST_OF_A_COLOUR = 0.45, 0.40
"""No number may be the answer to a larger share of questions of how many, nor a colour to those of colours."""
NOISE = 0.12
"""By which a share of 120 fair coins may differ from a half: 2.6 standard deviations."""


@pytest.fixture(scope="module")
def said(composer: Composer, scenes: list[Scene], nouns: tuple[str, ...]) -> list[list[str]]:
    return [captions(one, nouns, composer.generator("words", index)) for index, one in enumerate(scenes)]


@pytest.fixture(scope="module")
def asked(composer: Composer, scenes: list[Scene], nouns: tuple[str, ...]) -> list[list[Question]]:
    return [questions(one, nouns, composer.generator("words", index)) for index, one in enumerate(scenes)]


@pytest.fixture(scope="module")
def stated(composer: Composer, scenes: list[Scene], nouns: tuple[str, ...]) -> list[list[Statement]]:
    pairs = zip(scenes[::2], scenes[1::2], strict=True)
    return [statements(*pair, nouns, composer.generator("pair", row)) for row, pair in enumerate(pairs)]


class TestCaptions:
    def test_five_different_ones_each_true_of_its_scene(self, scenes: list[Scene], said: list[list[str]]) -> None:
        for one, texts in zip(scenes, said, strict=True):
            assert len(set(texts)) == CAPTIONS
            assert [judge(text, one) for text in texts] == [Verdict.TRUE] * CAPTIONS

    def test_most_are_false_of_another_scene(self, scenes: list[Scene], said: list[list[str]]) -> None:
        # Twelve neighbours in the made-up world of 27 classes share some; none is unreadable.
        others = [judge(text, scenes[row - 7]) for row, texts in enumerate(said) for text in texts]
        assert set(others) == {Verdict.TRUE, Verdict.FALSE}
        assert others.count(Verdict.FALSE) > 0.8 * len(others)

    def test_they_speak_of_places_numbers_colours_and_sizes(self, said: list[list[str]]) -> None:
        text = "\n".join(line for lines in said for line in lines)
        for word in (
            "left of",
            "above",
            "two",
            "red",
            "small",
            "more",
            "(larger|bigger|smaller) than",
            "largest thing",
        ):
            assert re.search(rf"\b{word}\b", text)

    def test_one_small_thing_of_no_colour_has_five_too(self, composer: Composer, nouns: tuple[str, ...]) -> None:
        one = scene(thing(nouns[0], (90, 90, 110, 110)))
        for index in range(20):
            texts = captions(one, nouns, composer.generator("words", index))
            assert len(set(texts)) == CAPTIONS
            assert {judge(text, one) for text in texts} == {Verdict.TRUE}


class TestQuestions:
    def test_all_different_and_answered_in_words_of_the_list(self, asked: list[list[Question]]) -> None:
        known = set(answers())
        for one in asked:
            assert 3 <= len({question.text for question in one}) == len(one) <= QUESTIONS
            assert {question.answer for question in one} <= known
            assert all(question.text.endswith("?") for question in one)

    def test_yes_is_as_likely_as_no_in_each_kind_of_question(self, asked: list[list[Question]]) -> None:
        found = Counter(question.answer for one in asked for question in one if question.kind == "yes/no")
        assert set(found) == {"yes", "no"}
        assert abs(found["yes"] / found.total() - 0.5) < NOISE

    def test_a_yes_or_no_is_what_the_parser_says(self, scenes: list[Scene], asked: list[list[Question]]) -> None:
        checked = 0
        for one, its in zip(scenes, asked, strict=True):
            for question in its:
                for start, statement in (("is there ", "there is "), ("are there ", "there are ")):
                    if question.kind == "yes/no" and question.text.startswith(start):
                        verdict = judge(statement + question.text.removeprefix(start), one)
                        assert verdict is (Verdict.TRUE if question.answer == "yes" else Verdict.FALSE)
                        checked += 1
        assert checked > 20

    @pytest.mark.parametrize(("start", "most"), [("how many", MOST_OF_A_NUMBER), ("what colour", MOST_OF_A_COLOUR)])
    def test_no_answer_is_most_of_a_kind(self, asked: list[list[Question]], start: str, most: float) -> None:
        found = Counter(question.answer for one in asked for question in one if question.text.startswith(start))
        assert len(found) >= 5
        assert found.most_common(1)[0][1] <= most * found.total()

    def test_how_many_is_what_counting_gives(self, scenes: list[Scene], asked: list[list[Question]]) -> None:
        for one, its in zip(scenes, asked, strict=True):
            for question in its:
                if question.kind == "number":
                    phrase = question.text.removeprefix("how many ").removesuffix(" are there?")
                    number = {"0": "no"}.get(question.answer, question.answer)
                    if number == "1":  # the question has the plural, and nobody says "one dogs"
                        assert {judge(f"{other} {phrase}", one) for other in ("no", "two")} == {Verdict.FALSE}
                    else:
                        assert judge(f"{number} {phrase}", one) is Verdict.TRUE

    def test_what_is_asked_for_is_there(self, scenes: list[Scene], asked: list[list[Question]]) -> None:
        for one, its in zip(scenes, asked, strict=True):
            for question in its:
                if question.text.startswith("what colour is the "):
                    text = question.text.removeprefix("what colour is the ").rstrip("?").split()
                    size = text[:1] if text[0] in ("small", "large") else []
                    phrase = " ".join([*size, question.answer, *text[len(size) :]])
                    assert judge(f"exactly one {phrase}", one) is Verdict.TRUE
                if question.text.startswith("what is the largest thing"):
                    assert judge(f"the largest thing is a {question.answer}", one) is Verdict.TRUE


class TestStatements:
    def test_half_are_true_and_each_label_is_the_verdict(
        self, scenes: list[Scene], stated: list[list[Statement]]
    ) -> None:
        for row, its in enumerate(stated):
            assert len({one.text for one in its}) == STATEMENTS
            assert sum(one.true for one in its) == STATEMENTS // 2
            for one in its:
                verdict = judge_pair(one.text, scenes[2 * row], scenes[2 * row + 1])
                assert verdict is (Verdict.TRUE if one.true else Verdict.FALSE)

    def test_places_in_the_list_say_nothing(self, stated: list[list[Statement]]) -> None:
        for place in range(STATEMENTS):
            share = sum(its[place].true for its in stated) / len(stated)
            assert 0.2 < share < 0.8  # of 30: 3.3 standard deviations

    def test_no_way_to_begin_gives_the_label_away(self, stated: list[list[Statement]]) -> None:
        every = [one for its in stated for one in its]
        for start, least, most in _shares(every):
            assert least < 0.85, start
            assert most < 0.85, start


def _shares(every: Sequence[Statement]) -> list[tuple[str, float, float]]:
    """Return, for beginnings that are there at least 12 times, the share of false and of true statements."""
    starts = Counter(" ".join(one.text.split()[:2]) for one in every)
    shares = []
    for start, number in starts.items():
        true = sum(one.true for one in every if one.text.startswith(start))
        if number >= 12:
            shares.append((start, 1 - true / number, true / number))
    assert len(shares) >= 3
    return shares


def test_a_ghost_differs_from_its_scene_and_stays_a_scene(
    composer: Composer, scenes: list[Scene], nouns: tuple[str, ...]
) -> None:
    rng = composer.generator("words", 0)
    made = [ghost(one, nouns, rng) for one in scenes]
    assert sum(one != other for one, other in zip(scenes, made, strict=True)) > 0.8 * len(scenes)
    assert all(len(one.objects) >= 1 for one in made)
