"""BERT's uncased WordPiece tokenizer over a vocab.txt (google-research/bert `tokenization.py`; Wu et al. 2016)."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from minivlm.errors import UserError
from minivlm.storage.text_files import check_lines, read_lines

LONGEST_WORD = 100
"""Characters of a word beyond which it becomes [UNK], as in BERT."""

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")

# What BERT's detokenization joins again after words were separated by spaces. The list of `transformers`.
CLEAN_UP = MappingProxyType(
    {
        " .": ".",
        " ?": "?",
        " !": "!",
        " ,": ",",
        " ' ": "'",
        " n't": "n't",
        " 'm": "'m",
        " 's": "'s",
        " 've": "'ve",
        " 're": "'re",
    }
)


@dataclass(frozen=True, kw_only=True)
class SpecialTokens:
    """Ids of BERT's special tokens."""

    pad: int
    unk: int
    cls: int
    sep: int
    mask: int


class WordPieceTokenizer:
    """Turns text into token ids and back.

    Text is data: the characters "[SEP]" in it are a bracket, a word and a bracket, never the special token, so that
    nobody's question can change the layout of the sequence. `transformers` does the same with
    `split_special_tokens=True`.

    Args:
        vocabulary: A vocab.txt in UTF-8, one token a line; a token's id is its line number, counted from 0.

    Raises:
        UserError: No such file, not UTF-8, a line that cannot be a token, a token twice, or a special token missing.
    """

    def __init__(self, vocabulary: Path | str) -> None:
        path = Path(vocabulary)
        self._set_up(read_lines(path, "the vocabulary", "give a BERT vocab.txt"), str(path))

    @classmethod
    def of_tokens(cls, tokens: Sequence[str], name: str) -> "WordPieceTokenizer":
        """Return a tokenizer over tokens that are in no vocab.txt yet.

        Args:
            tokens: By id; each could be a line of a vocab.txt.
            name: Where they are from, for messages.

        Raises:
            UserError: A special token is missing, or a token could not be a line.
        """
        check_lines(tokens, name)
        tokenizer = cls.__new__(cls)
        tokenizer._set_up(tokens, name)
        return tokenizer

    def _set_up(self, tokens: Sequence[str], name: str) -> None:
        from tokenizers import Tokenizer
        from tokenizers.models import WordPiece
        from tokenizers.normalizers import BertNormalizer
        from tokenizers.pre_tokenizers import BertPreTokenizer

        check_special_tokens(tokens, name)
        self.name = name
        self._tokens = tuple(tokens)
        ids = {token: line for line, token in enumerate(tokens)}
        self.special = SpecialTokens(
            pad=ids["[PAD]"], unk=ids["[UNK]"], cls=ids["[CLS]"], sep=ids["[SEP]"], mask=ids["[MASK]"]
        )
        self._skipped = {self.special.pad, self.special.cls, self.special.sep, self.special.mask, self.special.unk}
        model = WordPiece(ids, unk_token="[UNK]", max_input_chars_per_word=LONGEST_WORD)
        self._tokenizer = Tokenizer(model)
        self._tokenizer.normalizer = BertNormalizer(lowercase=True)
        self._tokenizer.pre_tokenizer = BertPreTokenizer()

    def __len__(self) -> int:
        return len(self._tokens)

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text of any length, without special tokens around them."""
        text = text.encode("utf-8", errors="ignore").decode("utf-8")  # half surrogate pairs are no characters
        return self._tokenizer.encode(text, add_special_tokens=False).ids

    def tokens(self, ids: Iterable[int]) -> list[str]:
        """Return the vocabulary's entries for ids, "##" included."""
        return [self._tokens[index] for index in ids]

    def decode(self, ids: Iterable[int]) -> str:
        """Return readable text: special tokens left out, pieces joined, no space before punctuation."""
        text = " ".join(self.tokens(index for index in ids if index not in self._skipped)).replace(" ##", "")
        for spaced, joined in CLEAN_UP.items():
            text = text.replace(spaced, joined)
        return text


def check_special_tokens(tokens: Collection[str], name: str) -> None:
    """Refuse a vocabulary without BERT's special tokens.

    Raises:
        UserError: Naming those that are missing.
    """
    missing = [token for token in SPECIAL_TOKENS if token not in tokens]
    if missing:
        raise UserError(f"{name} lacks {', '.join(missing)}; give a BERT vocab.txt, which has them")


def check_uncased(tokens: Sequence[str], name: str) -> None:
    """Refuse a vocabulary of a model that tells capitals from small letters, whose text is not to be lower-cased.

    An uncased vocabulary holds capitals in its special and unused entries only; 1 in 100 is left for oddities.

    Raises:
        UserError: Too many tokens hold capitals.
    """
    capitals = [token for token in tokens if token != token.lower() and not token.startswith("[")]
    if len(capitals) * 100 > len(tokens):
        raise UserError(
            f"{name} holds {len(capitals)} tokens with capitals, such as {capitals[0]!r}: it is of a cased model, and"
            " text is lower-cased here; take an uncased model"
        )
