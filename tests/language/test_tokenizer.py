# ruff: noqa: RUF001 (look-alike characters are the point)
"""Token ids are BERT's: equal to transformers' tokenizer and to the definition, written out below without libraries."""

import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minivlm.errors import UserError
from minivlm.language.tokenizer import WordPieceTokenizer

DATA = Path(__file__).parents[2] / "minivlm" / "assets"
VOCABULARY = DATA / "vocab.txt"

HARD_TEXTS = {
    "empty": "",
    "spaces": " \t\n\r\u00a0\u2003\u3000 ",
    "apostrophes": "The dog's ball isn't here, they've 'no' time.",
    "accents": "Café naïve Ångström résumé ÀÉÎÕÜ ñ İstanbul ẞ",
    "combining accents": "e\u0301cole a\u0300\u0301 \u0301",
    "chinese": "一只狗在草地上 and 飞盘 𠀀",
    "japanese": "日本語カタカナひらがな",
    "korean": "한국어 개",
    "emoji": "a dog 🐶 throws 👩\u200d👩\u200d👧 a 🇩🇪 flag 👍🏽",
    "control characters": "a\x00b\x01c\u200bd\u200ee\ufffdf\x7fg\x1b[0m",
    "punctuation": "(a)[b]{c}<d>|e\\f/g^h`i~j$k+l=m @ #n _o_ -- … “q” ‘r’ «s» ¿t? ¡u! v·w €5 £6",
    "numbers": "3.14159 1,000,000 2020-12-13 ½ ² ١٢٣ ４２",
    "special tokens": "[CLS] what is [MASK] ? [SEP] [PAD] [UNK] [unused5]",
    "longest word": "a" * 100 + " " + "a" * 101,
    "10,000 characters in one word": "ab" * 5000,
    "10,000 characters in words": "a small brown dog. " * 530,
    "scripts": "Ελληνικα кириллица עברית العربية हिन्दी ไทย",
    "ligatures and widths": "ﬁne ﬂat ＡＢＣ ℌ ㎏ ǆ",
    "half a surrogate pair": "a\ud83d dog",
}


@pytest.fixture(scope="module")
def tokenizer() -> WordPieceTokenizer:
    return WordPieceTokenizer(VOCABULARY)


@pytest.fixture(scope="module")
def reference(transformers: Any) -> Any:
    return transformers.BertTokenizer(vocab=str(VOCABULARY))


class TestAgainstTransformers:
    """The fast tokenizer that transformers ships for BERT, without its search for special tokens in the text."""

    @pytest.mark.parametrize("name", [name for name in HARD_TEXTS if name != "half a surrogate pair"])
    def test_hard_text_has_equal_ids(self, tokenizer: WordPieceTokenizer, reference: Any, name: str) -> None:
        text = HARD_TEXTS[name]
        assert tokenizer.encode(text) == reference.encode(text, add_special_tokens=False, split_special_tokens=True)

    @settings(max_examples=300, deadline=None)
    @given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
    def test_any_text_has_equal_ids(self, tokenizer: WordPieceTokenizer, reference: Any, text: str) -> None:
        assert tokenizer.encode(text) == reference.encode(text, add_special_tokens=False, split_special_tokens=True)

    @settings(max_examples=300, deadline=None)
    @given(ids=st.lists(st.integers(0, 30521) | st.sampled_from(range(999, 1100)), max_size=30))
    def test_any_ids_have_equal_text(self, tokenizer: WordPieceTokenizer, reference: Any, ids: list[int]) -> None:
        expected = reference.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=True)
        assert tokenizer.decode(ids) == expected


class Definition:
    """BERT's basic tokenizer and greedy longest-match WordPiece (google-research/bert README and paper), in Python.

    Lower case is taken character by character: a final Greek sigma stays the letter it is in the vocabulary.
    """

    def __init__(self) -> None:
        lines = VOCABULARY.read_text(encoding="utf-8").split("\n")[:-1]
        self.ids = {token: line for line, token in enumerate(lines)}

    def encode(self, text: str) -> list[int]:
        kept = "".join(self.clean(char) for char in text)
        bare = (char for char in unicodedata.normalize("NFD", kept) if unicodedata.category(char) != "Mn")
        lower = "".join(char.lower() for char in bare)
        words = "".join(f" {char} " if self.is_punctuation(char) else char for char in lower).split()
        return [piece for word in words for piece in self.pieces(word)]

    @staticmethod
    def clean(char: str) -> str:
        code = ord(char)
        if char in "\t\n\r" or unicodedata.category(char) == "Zs":
            return " "
        if code in (0, 0xFFFD) or unicodedata.category(char).startswith("C"):
            return ""
        ideographs = [(0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F), (0x2B740, 0x2B81F)]
        ideographs += [(0x2B820, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F)]
        return f" {char} " if any(low <= code <= high for low, high in ideographs) else char

    @staticmethod
    def is_punctuation(char: str) -> bool:
        ascii_symbol = char.isascii() and char.isprintable() and not char.isalnum() and char != " "
        return ascii_symbol or unicodedata.category(char).startswith("P")

    def pieces(self, word: str) -> list[int]:
        found: list[int] = []
        start = 0
        while start < len(word) <= 100:
            prefix = "##" if start else ""
            ends = (end for end in range(len(word), start, -1) if prefix + word[start:end] in self.ids)
            end = next(ends, None)
            if end is None:
                return [self.ids["[UNK]"]]
            found.append(self.ids[prefix + word[start:end]])
            start = end
        return found or [self.ids["[UNK]"]]


@pytest.fixture(scope="module")
def definition() -> Definition:
    return Definition()


class TestAgainstTheDefinition:
    @pytest.mark.parametrize("name", list(HARD_TEXTS))
    def test_hard_text_has_equal_ids(self, tokenizer: WordPieceTokenizer, definition: Definition, name: str) -> None:
        assert tokenizer.encode(HARD_TEXTS[name]) == definition.encode(HARD_TEXTS[name])

    @settings(max_examples=300, deadline=None)
    @given(text=st.text(st.characters(max_codepoint=0x24F) | st.sampled_from("一狗ひΑσяא😀\u0301\u200b"), max_size=60))
    def test_latin_text_has_equal_ids(self, tokenizer: WordPieceTokenizer, definition: Definition, text: str) -> None:
        """Latin and samples of other scripts, on whose Unicode properties all versions of the tables agree."""
        assert tokenizer.encode(text) == definition.encode(text)


def test_the_vocabulary_is_berts(tokenizer: WordPieceTokenizer) -> None:
    """Ids published with bert-base-uncased: its config (102, 103) and the examples in its documentation."""
    assert len(tokenizer) == 30522
    special = tokenizer.special
    assert (special.pad, special.unk, special.cls, special.sep, special.mask) == (0, 100, 101, 102, 103)
    assert tokenizer.encode("the") == [1996]
    assert tokenizer.encode("hello world") == [7592, 2088]


def test_the_tiny_vocabulary_fits_the_tiny_transformer_and_spells_any_english_word() -> None:
    tiny = WordPieceTokenizer(DATA / "vocab_tiny.txt")
    assert len(tiny) == 400
    text = "a quick brown zebra, 5 frisbees & jazz!"
    assert tiny.special.unk not in tiny.encode(text)
    assert tiny.decode(tiny.encode(text)) == "a quick brown zebra, 5 frisbees & jazz!"


def test_special_tokens_cannot_be_smuggled_in(tokenizer: WordPieceTokenizer) -> None:
    ids = tokenizer.encode("[CLS] [SEP] [MASK] [PAD]")
    assert not {tokenizer.special.cls, tokenizer.special.sep, tokenizer.special.mask, tokenizer.special.pad} & set(ids)


def test_decoding_leaves_special_tokens_out_and_joins_pieces(tokenizer: WordPieceTokenizer) -> None:
    words = tokenizer.encode("a skateboarder's trick, seen from above.")
    assert any(token.startswith("##") for token in tokenizer.tokens(words))
    ids = [tokenizer.special.cls, *words, tokenizer.special.sep, tokenizer.special.pad]
    assert tokenizer.decode(ids) == "a skateboarder's trick, seen from above."


class TestMistakes:
    def write(self, folder: Path, content: bytes) -> Path:
        path = folder / "vocab.txt"
        path.write_bytes(content)
        return path

    def test_no_such_file(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match=r"cannot read the vocabulary .*No such file"):
            WordPieceTokenizer(tmp_path / "vocab.txt")

    def test_not_utf8(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match="is not UTF-8 at byte 6"):
            WordPieceTokenizer(self.write(tmp_path, b"[PAD]\n\xff"))

    def test_missing_special_tokens(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match=r"lacks \[CLS\], \[MASK\]; give a BERT vocab.txt"):
            WordPieceTokenizer(self.write(tmp_path, b"[PAD]\n[UNK]\n[SEP]\na\n"))

    def test_a_token_twice(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match="holds 'dog' on lines 2 and 4: every name must have one id"):
            WordPieceTokenizer(self.write(tmp_path, b"[PAD]\ndog\ncat\ndog\n"))

    def test_windows_line_ends_are_read(self, tmp_path: Path) -> None:
        path = self.write(tmp_path, b"[PAD]\r\n[UNK]\r\n[CLS]\r\n[SEP]\r\n[MASK]\r\ndog\r\n")
        assert WordPieceTokenizer(path).encode("Dog") == [5]
