"""Every fact that can be worded is read back as itself."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minivlm.scenes.facts import Both, Count, Extreme, Fact, Located, More, PairFact, Pictured, Related, Total, Versus
from minivlm.scenes.reading import read_caption, read_statement
from minivlm.scenes.scene import BESIDE, SIDES, Phrase
from minivlm.scenes.things import COLOURS, plurals
from minivlm.scenes.wording import asked, sentence, statement, with_article

PHRASES = st.builds(
    Phrase, st.sampled_from(sorted(plurals())), st.sampled_from(("", *COLOURS)), st.sampled_from(("", "small", "large"))
)
ORDERS = st.sampled_from(("more", "fewer", "as many"))
COUNTS = st.one_of(
    st.builds(Count, PHRASES, st.integers(0, 10), st.just(False)),
    st.builds(Count, PHRASES, st.integers(1, 10), st.just(True)),
)
RELATIONS = st.sampled_from((*BESIDE, "larger", "smaller"))
RELATED = st.builds(Related, PHRASES, RELATIONS, PHRASES, st.booleans())
AMOUNTS = st.one_of(st.builds(Count, PHRASES, st.integers(2, 10)), st.builds(Count, PHRASES, st.just(1), st.just(True)))
FACTS: st.SearchStrategy[Fact] = st.one_of(
    COUNTS,
    RELATED,
    st.builds(More, PHRASES, ORDERS, PHRASES),
    st.builds(Located, PHRASES, st.sampled_from(SIDES)),
    st.builds(Extreme, st.sampled_from(("largest", "smallest")), PHRASES),
    st.builds(Both, st.lists(AMOUNTS, min_size=2, max_size=4).map(tuple)),
)
PAIR_FACTS: st.SearchStrategy[PairFact] = st.one_of(
    st.builds(Pictured, st.sampled_from(("left", "right", "both", "neither", "one")), st.one_of(COUNTS, RELATED)),
    st.builds(Total, PHRASES, st.integers(0, 10)),
    st.builds(Versus, ORDERS, PHRASES),
)
SEEDS = st.integers(0, 1000)


@settings(max_examples=600, deadline=None)
@given(FACTS, SEEDS)
def test_captions(fact: Fact, seed: int) -> None:
    assert read_caption(sentence(fact, np.random.default_rng(seed))) == fact


@settings(max_examples=600, deadline=None)
@given(PAIR_FACTS, SEEDS)
def test_statements(fact: PairFact, seed: int) -> None:
    assert read_statement(statement(fact, np.random.default_rng(seed))) == fact


@settings(max_examples=100, deadline=None)
@given(FACTS, SEEDS)
def test_capitals_and_punctuation_do_not_matter(fact: Fact, seed: int) -> None:
    text = sentence(fact, np.random.default_rng(seed))
    assert read_caption(f"  {text.upper()} . ".replace("-", " - ")) == fact


@pytest.mark.parametrize(
    "text",
    [
        "two dog",
        "a dogs",
        "exactly one dogs",
        "there are more dogs than cat",
        "a dogs is above a cat",
        "the dogs is on the left",
    ],
)
def test_one_is_no_many(text: str) -> None:
    """A model that says one of many things, or many of one, has not said it."""
    assert read_caption(text) is None


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60))
def test_whatever_is_written_is_read_or_not(text: str) -> None:
    read_caption(text)
    read_statement(text)


@settings(max_examples=100, deadline=None)
@given(PHRASES, PHRASES, RELATIONS, SEEDS)
def test_questions_end_as_questions_do(one: Phrase, other: Phrase, relation: str, seed: int) -> None:
    text = asked(Related(one, relation, other), np.random.default_rng(seed))
    assert text.startswith("is the ")
    assert text.endswith("?")


@pytest.mark.parametrize(
    ("phrase", "text"),
    [
        (Phrase("apple"), "an apple"),
        (Phrase("apple", "red"), "a red apple"),
        (Phrase("dog", "orange"), "an orange dog"),
        (Phrase("hourglass"), "an hourglass"),
        (Phrase("house"), "a house"),
    ],
)
def test_articles(phrase: Phrase, text: str) -> None:
    assert with_article(phrase) == text
