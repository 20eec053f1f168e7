"""Captions are cut as Stanford's PTBTokenizer cuts them."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minivlm.evaluation.caption_words import DROPPED, SPLIT, caption_words

SENTENCES = json.loads(Path(__file__).with_name("ptb_words.json").read_text(encoding="utf-8"))["sentences"]


@pytest.mark.parametrize(("sentence", "words"), SENTENCES)
def test_words_are_ptb_tokenizer_s(sentence: str, words: str) -> None:
    assert " ".join(caption_words(sentence)) == words


@given(text=st.text(max_size=60))
def test_any_text_becomes_words_without_spaces_and_punctuation(text: str) -> None:
    words = caption_words(text)
    assert all(word.split() == [word] and word not in DROPPED for word in words)


@given(words=st.lists(st.from_regex(r"[a-z]{2,8}", fullmatch=True), max_size=8))
def test_plain_words_stay_in_lower_case(words: list[str]) -> None:
    plain = [word for word in words if word not in SPLIT]
    assert list(caption_words(" ".join(plain).upper())) == plain
