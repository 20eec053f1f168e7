"""The vocabulary that lies beside weights in the Hugging Face layout, in whichever of its files the source has it.

Weights mean something with their own vocabulary only, read as it was in training. What is read here is BERT's uncased
WordPiece (`minivlm.language.tokenizer`); a folder that asks for anything else is refused by the setting it asks with.
File formats: `transformers` (`tokenization_utils_base.py`, `models/bert/tokenization_bert.py`) and `tokenizers`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from minivlm.errors import UserError
from minivlm.language.tokenizer import LONGEST_WORD, SPECIAL_TOKENS, check_special_tokens, check_uncased
from minivlm.storage.files import exists
from minivlm.storage.json_files import read_object
from minivlm.storage.text_files import check_lines, read_lines
from minivlm.weights.state_dicts import shown

VOCABULARY = "vocab.txt"
TOKENIZER = "tokenizer.json"
SETTINGS = "tokenizer_config.json"
SPECIAL = "special_tokens_map.json"
ADDED = "added_tokens.json"
FILES = (VOCABULARY, TOKENIZER, SETTINGS, SPECIAL, ADDED)
"""All files that say how a model's text becomes ids."""

SAME_CLASSES = ("BertTokenizer", "DistilBertTokenizer", "ElectraTokenizer", "PreTrainedTokenizer", "TokenizersBackend")
"""Classes in tokenizer_config.json, without "Fast", that are BERT's WordPiece or leave everything to tokenizer.json."""

# Key of tokenizer_config.json -> values that mean BERT's uncased tokenizer; a key that is left out does, too.
BERTS_SETTINGS: Mapping[str, tuple[Any, ...]] = {
    "do_lower_case": (True,),
    "do_basic_tokenize": (True,),
    "strip_accents": (None, True),
    "tokenize_chinese_chars": (True,),
    "wordpieces_prefix": (None, "##"),
    "never_split": (None, []),
    "additional_special_tokens": (None, []),
    "extra_special_tokens": (None, [], {}),
    **{f"{token[1:-1].lower()}_token": (None, token) for token in SPECIAL_TOKENS},
}
BERTS_NORMALIZER: Mapping[str, tuple[Any, ...]] = {
    "type": ("BertNormalizer",),
    "lowercase": (True,),
    "clean_text": (True,),
    "handle_chinese_chars": (True,),
    "strip_accents": (None, True),
}
BERTS_MODEL: Mapping[str, tuple[Any, ...]] = {
    "type": ("WordPiece", None),  # old files leave it out
    "unk_token": ("[UNK]",),
    "continuing_subword_prefix": ("##",),
    "max_input_chars_per_word": (LONGEST_WORD,),
}


@dataclass(frozen=True)
class SourceVocabulary:
    """What a model's ids mean.

    Attributes:
        tokens: By id.
        file: Name of the file that they are from.
    """

    tokens: tuple[str, ...]
    file: str


def read_source_vocabulary(folder: Path, size: int, source: str) -> SourceVocabulary:
    """Read the vocabulary beside published weights.

    Args:
        folder: Holds vocab.txt, tokenizer.json or both, and maybe settings.
        size: Number of tokens that the weights have.
        source: What an error message calls a folder without a vocabulary.

    Raises:
        UserError: There is none, it has another size, it is not BERT's uncased WordPiece, or two files disagree.
    """
    listed = _from_text(folder / VOCABULARY) if exists(folder / VOCABULARY) else None
    described = _from_json(folder / TOKENIZER) if exists(folder / TOKENIZER) else None
    tokens = listed if listed is not None else described
    if tokens is None:
        raise UserError(
            f"{source} has no vocabulary, without which its weights mean nothing: give a folder that holds them and the"
            f" {VOCABULARY} that they were trained with"
        )
    if listed is not None and described is not None and listed != described:
        raise UserError(f"{VOCABULARY} and {TOKENIZER} in {folder} differ: keep the one of the weights")
    lower_cased = _check_settings(folder, tokens)
    file = VOCABULARY if listed is not None else TOKENIZER
    if len(tokens) != size:
        raise UserError(
            f"{folder / file} has {len(tokens)} tokens, and the weights have {size}: take the vocabulary that they were"
            " trained with"
        )
    if described is None and not lower_cased:
        check_uncased(tokens, str(folder / file))
    return SourceVocabulary(tuple(tokens), file)


def _from_text(path: Path) -> list[str]:
    tokens = read_lines(path, "the vocabulary", "give the one of the weights")
    check_special_tokens(tokens, str(path))
    return tokens


def _from_json(path: Path) -> list[str]:
    content = _read(path)
    model = _object(content, "model", path)
    _check(path, model, BERTS_MODEL, "model.")
    _check(path, _object(content, "normalizer", path), BERTS_NORMALIZER, "normalizer.")
    _check(path, _object(content, "pre_tokenizer", path), {"type": ("BertPreTokenizer",)}, "pre_tokenizer.")
    ids = _object(model, "vocab", path)
    if not all(isinstance(number, int) for number in ids.values()) or sorted(ids.values()) != list(range(len(ids))):
        raise UserError(f"{path}: the ids of its vocabulary are not 0, 1, 2, ...: get the file again")
    tokens = sorted(ids, key=ids.__getitem__)
    check_lines(tokens, f"{path}, taken as a {VOCABULARY},")
    check_special_tokens(tokens, str(path))
    added = content.get("added_tokens") or []
    if not isinstance(added, list) or not all(isinstance(one, dict) for one in added):
        _refuse(path, "added_tokens", added)
    _check_added(path, {str(one.get("content")): one.get("id") for one in added}, tokens)
    return tokens


def _check_settings(folder: Path, tokens: list[str]) -> bool:
    """Refuse settings other than those of BERT's uncased tokenizer; tell whether they say that text is lower-cased."""
    lower_cased = False
    for path in (folder / SETTINGS, folder / SPECIAL):
        if not exists(path):
            continue
        settings = {key: _content(value) for key, value in _read(path).items()}
        kind = settings.get("tokenizer_class")
        if kind is not None and str(kind).removesuffix("Fast") not in SAME_CLASSES:
            _refuse(path, "tokenizer_class", kind)
        _check(path, {**{key: values[0] for key, values in BERTS_SETTINGS.items()}, **settings}, BERTS_SETTINGS)
        added = settings.get("added_tokens_decoder")
        if isinstance(added, dict):
            _check_added(path, {str(_content(one)): number for number, one in added.items()}, tokens)
        lower_cased = lower_cased or settings.get("do_lower_case") is True
    if exists(folder / ADDED):
        _check_added(folder / ADDED, _read(folder / ADDED), tokens)
    return lower_cased


def _check_added(path: Path, entries: Mapping[Any, Any], tokens: list[str]) -> None:
    """Refuse tokens that are cut out of a text before WordPiece sees it, but for BERT's own at their places."""
    for token, number in entries.items():
        if token not in SPECIAL_TOKENS or str(number) != str(tokens.index(token)):
            _refuse(path, "an added token", token)


def _check(path: Path, found: Mapping[str, Any], right: Mapping[str, tuple[Any, ...]], prefix: str = "") -> None:
    for key, values in right.items():
        if not any(found.get(key) == value and type(found.get(key)) is type(value) for value in values):
            _refuse(path, f"{prefix}{key}", found.get(key))


def _refuse(path: Path, key: str, value: object) -> None:
    raise UserError(
        f"{path}: {key} is {shown(repr(value))}, and text becomes ids by BERT's uncased WordPiece here: take a model"
        " that was trained with it"
    )


def _read(path: Path) -> dict[str, Any]:
    return read_object(path, "a tokenizer's description", "get it again")


def _object(content: Mapping[str, Any], key: str, path: Path) -> dict[str, Any]:
    value = content.get(key)
    if not isinstance(value, dict):
        _refuse(path, key, value)
    assert isinstance(value, dict)
    return value


def _content(value: object) -> object:
    """Return a token's text, which some files wrap together with how it is matched."""
    return value["content"] if isinstance(value, dict) and "content" in value else value
