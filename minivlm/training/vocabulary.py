"""A WordPiece vocabulary for a small model, made of the texts that it is to read and write.

Words are counted: `tokenizers`' own trainer merges letters as BPE does, and need not keep a frequent word whole.
"""

import string
from collections import Counter
from collections.abc import Iterable, Sequence

from minivlm.errors import UserError
from minivlm.language.tokenizer import LONGEST_WORD, SPECIAL_TOKENS

ALWAYS = string.ascii_lowercase + string.digits + string.punctuation
"""Characters with a token each, so that every English text can be read, letter by letter where need be."""


def make_vocabulary(texts: Iterable[str], names: Sequence[str], most: int) -> tuple[str, ...]:
    """Return the tokens of a vocabulary by their ids: special tokens, characters, then words by falling frequency.

    Args:
        texts: Captions, questions and the like; a word counts as often as it occurs.
        names: Classes, attributes, answers: their words come before all others, as a model must name them.
        most: Tokens. Words that do not fit are spelled by their letters.

    Raises:
        UserError: There is no room for the characters alone, or nothing to count.
    """
    counts = Counter(word for text in texts for word in words_of(text))
    wanted = {word for name in names for word in words_of(name)}
    if not counts and not wanted:
        raise UserError("there is no text to make a vocabulary of: give data with captions, questions or classes")
    characters = sorted({*ALWAYS, *(char for word in (*counts, *wanted) for char in word)})
    pieces = [*SPECIAL_TOKENS, *characters, *(f"##{char}" for char in characters)]
    if most < len(pieces):
        raise UserError(f"a vocabulary of {most} tokens: the characters alone need {len(pieces)}; give more")
    words = {word for word in {*counts, *wanted} if 1 < len(word) <= LONGEST_WORD}
    ranked = sorted(words, key=lambda word: (word not in wanted, -counts[word], word))
    kept = ranked[: most - len(pieces)]
    return (*pieces, *sorted(kept, key=lambda word: (-counts[word], word)))


def words_of(text: str) -> list[str]:
    """Return the words and marks that BERT's uncased tokenizer looks up, see `minivlm.language.tokenizer`."""
    from tokenizers.normalizers import BertNormalizer
    from tokenizers.pre_tokenizers import BertPreTokenizer

    plain = BertNormalizer(lowercase=True).normalize_str(text.encode("utf-8", errors="ignore").decode("utf-8"))
    return [word for word, _ in BertPreTokenizer().pre_tokenize_str(plain)]
