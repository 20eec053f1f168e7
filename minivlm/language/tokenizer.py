"""BERT's uncased WordPiece tokenizer over a vocab.txt (google-research/bert `tokenization.py`; Wu et al. 2016)."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from minivlm.errors import UserError

LONGEST_WORD = 100
"""Characters of a word beyond which it becomes [UNK], as in BERT."""

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
        UserError: No such file, not UTF-8, a token twice, or a special token missing.
    """

    def __init__(self, vocabulary: Path | str) -> None:
        from tokenizers import Tokenizer
        from tokenizers.models import WordPiece
        from tokenizers.normalizers import BertNormalizer
        from tokenizers.pre_tokenizers import BertPreTokenizer

        self.path = Path(vocabulary)
        self._tokens = _read_vocabulary(self.path)
        ids = {token: line for line, token in enumerate(self._tokens)}
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


def _read_vocabulary(path: Path) -> list[str]:
    try:
        content = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot read the vocabulary {path} ({error.strerror}); give a BERT vocab.txt") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 at byte {error.start}; give a BERT vocab.txt") from None
    tokens = content.removesuffix("\n").split("\n")  # some tokens hold what str.splitlines would split at
    lines: dict[str, int] = {}
    for line, token in enumerate(tokens):
        if token in lines:
            raise UserError(
                f"{path} holds {token!r} on lines {lines[token] + 1} and {line + 1}; every token must have one id"
            )
        lines[token] = line
    missing = [token for token in ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]") if token not in lines]
    if missing:
        raise UserError(f"{path} lacks {', '.join(missing)}; give a BERT vocab.txt, which has them")
    return tokens
