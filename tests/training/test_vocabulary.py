"""A vocabulary holds the words it was made for, and letters for all others."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minivlm.errors import UserError
from minivlm.language.tokenizer import SPECIAL_TOKENS, WordPieceTokenizer
from minivlm.scenes.captions import captions
from minivlm.scenes.questions import questions
from minivlm.scenes.scene import Scene
from minivlm.scenes.statements import statements
from minivlm.scenes.things import COLOURS, NUMBERS, SIZES, all_things, answers, plurals
from minivlm.training.vocabulary import ALWAYS, make_vocabulary, words_of
from minivlm.weights.labels import shipped_vocabulary
from tests.scenes.made_up import scene, thing

TEXTS = ["A dog runs, a dog sits.", "Two dogs and a cat!"]
CHARACTERS = len(SPECIAL_TOKENS) + 2 * len(ALWAYS)


def test_words_stand_behind_special_tokens_and_characters_by_how_often_they_are_said() -> None:
    made = make_vocabulary(TEXTS, [], most=1000)
    assert made[:5] == SPECIAL_TOKENS
    assert set(made[5:CHARACTERS]) == {*ALWAYS, *(f"##{char}" for char in ALWAYS)}
    # "a" (three times) is a character already; "dog" is there twice, the others once and by the alphabet.
    assert made[CHARACTERS:] == ("dog", "and", "cat", "dogs", "runs", "sits", "two")


def test_what_does_not_fit_is_spelled() -> None:
    made = make_vocabulary(TEXTS, [], most=CHARACTERS + 1)
    tokenizer = WordPieceTokenizer.of_tokens(made, "made")
    assert tokenizer.tokens(tokenizer.encode("dog cat")) == ["dog", "c", "##a", "##t"]


def test_names_come_before_frequent_words() -> None:
    assert make_vocabulary(TEXTS, ["zebra"], most=CHARACTERS + 1)[-1] == "zebra"


def test_a_vocabulary_without_room_or_without_text_is_refused() -> None:
    with pytest.raises(UserError, match=f"the characters alone need {CHARACTERS}"):
        make_vocabulary(TEXTS, [], most=CHARACTERS - 1)
    with pytest.raises(UserError, match="no text"):
        make_vocabulary(["", " "], [], most=1000)


@given(st.lists(st.text(alphabet=st.characters(codec="utf-8"), max_size=20), min_size=1, max_size=5))
def test_any_text_is_read_whole_by_the_vocabulary_that_is_made_of_it(texts: list[str]) -> None:
    made = make_vocabulary([*texts, "x"], [], most=5000)
    tokenizer = WordPieceTokenizer.of_tokens(made, "made")
    for text in texts:
        assert tokenizer.tokens(tokenizer.encode(text)) == words_of(text)
    assert make_vocabulary(reversed([*texts, "x"]), [], most=5000) == made


def scene_of_things(rng: np.random.Generator) -> Scene:
    """Return six coloured things side by side, of which some are of one class."""
    things = all_things()
    found = []
    for column in range(6):
        noun = things[int(rng.integers(len(things)))].noun if column % 3 else things[int(rng.integers(3))].noun
        top = int(rng.integers(0, 200))
        colour, size = COLOURS[int(rng.integers(len(COLOURS)))], SIZES[int(rng.integers(len(SIZES)))]
        found.append(thing(noun, (40 * column, top, 40 * column + 20 + column, top + 30), colour, size))
    return scene(*found)


class TestScenes:
    """vocab_scenes.txt, which minivlm-sample reads with."""

    tokenizer = WordPieceTokenizer(shipped_vocabulary(892))

    def whole(self, text: str) -> bool:
        return self.tokenizer.tokens(self.tokenizer.encode(text)) == words_of(text)

    def test_every_name_of_the_world_is_made_of_whole_words(self) -> None:
        names = [*plurals(), *plurals().values(), *COLOURS, *SIZES, *NUMBERS, *answers()]
        assert [name for name in names if not self.whole(name)] == []

    def test_sentences_are_too(self) -> None:
        nouns = tuple(thing.noun for thing in all_things())
        rng = np.random.default_rng(0)
        said = []
        for _ in range(20):
            left, right = scene_of_things(rng), scene_of_things(rng)
            said += captions(left, nouns, rng)
            said += [one.text for one in questions(left, nouns, rng)]
            said += [one.text for one in statements(left, right, nouns, rng)]
        assert len(said) > 150
        assert [text for text in said if not self.whole(text)] == []
