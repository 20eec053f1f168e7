"""VQA's rule by hand, and its normalisation."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minivlm.evaluation.answers import accuracy, normalised


@pytest.mark.parametrize(
    ("same", "worth"),
    [
        (0, 0.0),
        (1, 0.3),  # 9 of the 10 leave-one-outs hold it once: 9/10 * 1/3
        (2, 0.6),  # 8/10 * 2/3 + 2/10 * 1/3
        (3, 0.9),  # 7/10 * 1 + 3/10 * 2/3
        (4, 1.0),
        (10, 1.0),
    ],
)
def test_an_answer_is_worth_a_third_for_each_who_gave_it(same: int, worth: float) -> None:
    people = ["red"] * same + [f"colour {number}" for number in range(10 - same)]
    assert accuracy("red", people) == pytest.approx(worth, abs=1e-12)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("The Dog", "dog"),
        ("a  red\tcar", "red car"),
        ("two", "2"),
        ("None", "0"),
        ("ten dogs", "10 dogs"),
        ("dont", "don't"),
        ("couldntve", "couldntve"),  # the original knows what lacks one apostrophe only
        ("couldn'tve", "couldn't've"),
        ("maam", "ma'am"),
        ("man's", "man's"),
        ("yes.", "yes"),
        ("3.5", "3.5"),
        ("p.m.", "pm"),
        ("1,000", "1000"),
        ("red, white", "red white"),
        ("black/white", "black white"),
        ("black-and-white", "black and white"),
        ("black / white", "black white"),
        ("yes!", "yes"),
        ("(red)", "red"),
    ],
)
def test_answers_are_normalised(answer: str, expected: str) -> None:
    assert normalised(answer) == expected


def test_normalised_are_answers_of_people_who_differ_and_those_of_one_mind_are_taken_as_they_are() -> None:
    assert accuracy("2", ["two"] * 9 + ["three"]) == 1.0
    assert accuracy("2", ["two"] * 10) == 0.0  # so is the official rule
    assert accuracy("two", ["two"] * 10) == 1.0
    assert accuracy(" two\n", ["two "] * 9 + ["two"]) == 1.0


ANSWERS = st.lists(st.text(max_size=8) | st.sampled_from(["yes", "no", "a dog", "2", "two"]), min_size=1, max_size=10)


@given(answer=st.text(max_size=12), people=ANSWERS, data=st.data())
def test_any_text_is_worth_0_to_1_whatever_the_order(answer: str, people: list[str], data: st.DataObject) -> None:
    worth = accuracy(answer, people)
    assert 0.0 <= worth <= 1.0
    assert accuracy(answer, data.draw(st.permutations(people))) == worth


@given(answer=st.text(max_size=12))
def test_what_all_ten_say_is_worth_1(answer: str) -> None:
    assert accuracy(answer, [answer] * 10) == pytest.approx(1.0)


@given(answer=st.text(max_size=12))
def test_normalising_leaves_no_articles_and_no_marks(answer: str) -> None:
    words = normalised(answer).split()
    assert not {"a", "an", "the"} & set(words)
    assert not set("".join(words)) & set(';/[]"{}()=+\\_-><@`,?!')
